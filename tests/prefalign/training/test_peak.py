"""A process's peak is its own, whoever started it."""

import subprocess
import sys

from prefalign.training.peak import peak_resident

SAYS_ITS_PEAK = "from prefalign.training.peak import peak_resident; print(peak_resident())"


def test_memory_that_was_held_and_let_go_counts() -> None:
    held = bytearray(b"x") * 300_000_000
    assert peak_resident() > len(held)
    del held
    assert peak_resident() > 300_000_000


def test_what_the_parent_held_does_not_count() -> None:
    held = bytearray(b"x") * 300_000_000
    process = subprocess.run(
        [sys.executable, "-c", SAYS_ITS_PEAK], check=True, capture_output=True, text=True
    )
    assert 1_000_000 < int(process.stdout) < len(held) < peak_resident()
