"""What two real processes agree on when one of them is told to stop."""

import subprocess
import sys
from pathlib import Path

from tests.prefalign.workplace import ENVIRONMENT

PROCESS = """
import os, signal, sys, threading, time
from torch import distributed
from prefalign.survival.stopping import STOP

distributed.init_process_group("gloo")
rank = distributed.get_rank()
with STOP.heard(), STOP.held():
    STOP.agreed()
    if rank == 0:
        time.sleep(1)
    else:  # while it waits for the other
        threading.Timer(0.5, os.kill, [os.getpid(), signal.SIGTERM]).start()
    agreed = [STOP.agreed() for _ in range(3)]
    open(f"{sys.argv[1]}/{rank}", "w").write(f"{agreed} {STOP.received}")
distributed.destroy_process_group()
"""


def test_a_signal_that_comes_while_a_process_waits_for_others_is_not_lost(tmp_path: Path) -> None:
    (tmp_path / "process.py").write_text(PROCESS)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    done = subprocess.run(
        [*command, "--nproc_per_node", "2", "process.py", str(tmp_path)],
        cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert [(tmp_path / rank).read_text() for rank in "01"] == ["[False, True, True] 15"] * 2
