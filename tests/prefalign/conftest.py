"""Fixtures of the tests that launch training runs."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.prefalign.workplace import Workplace, write_workplace


@pytest.fixture
def workplace(tmp_path: Path, tiny_model: Path) -> Workplace:
    """Five steps of DPO on CPU processes, in a directory with a cache of its own."""
    return write_workplace(tmp_path, tiny_model)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("file systems cannot be mounted here")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)
