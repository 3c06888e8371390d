"""From `prefalign train` to running processes: preflight, `accelerate launch`, one message at the end.

The parent loads no torch before it has refused what can be refused. It starts a launcher whose workers
run the same command (`prefalign.worker`), draws their progress, and ends with their exit code.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from prefalign.config import RunConfig
from prefalign.launch.line import launch_line
from prefalign.launch.signals import PassedOn
from prefalign.launchers.options import asked_in
from prefalign.progress import Console, relay
from prefalign.survival.claim import is_finished
from prefalign.survival.orphans import PARENT
from prefalign.survival.outcome import LAUNCHER_LOG, OUTCOME_FILE, raise_outcome
from prefalign.survival.started import COMMAND

SUPERVISED = "PREFALIGN_SUPERVISED"
"""Set by the parent for its workers: the directory where the first that fails says why."""

_STAY = 10.0
"""Seconds that a launcher may take to end after its last worker."""


def launch(config: RunConfig, command: Sequence[str], extra: Sequence[str] = ()) -> None:
    """Runs `command` in as many processes as the run wants, and waits for them.

    Args:
        config: the run file, already through `preflight` unless several machines launch together.
        command: arguments of `python -m prefalign` that lead back to the same run.
        extra: arguments for `accelerate launch`, instead of ours.

    Raises:
        PrefError: the workers failed; the exit code is theirs.
    """
    machine = asked_in(extra).machine if extra else 0
    logs = config.output.dir / "logs" / (f"machine-{machine}" if machine else "")
    logs.mkdir(parents=True, exist_ok=True)
    (logs / OUTCOME_FILE).unlink(missing_ok=True)
    arguments, variables = launch_line(config, extra)
    typed = shlex.join([*command, *(["--", *extra] if extra else [])])
    ours = {SUPERVISED: str(logs), COMMAND: typed, PARENT: str(os.getpid())}
    with (
        (logs / LAUNCHER_LOG).open("w") as log,
        PassedOn() as signals,
        subprocess.Popen(
            [sys.executable, "-m", "accelerate.commands.launch", *arguments, "-m", "prefalign", *command],
            env=os.environ | variables | ours, stdout=subprocess.PIPE, stderr=log, text=True,
            start_new_session=True,
        ) as process,
    ):  # fmt: skip
        signals.to(process.pid)
        if not extra or asked_in(extra).machines == 1:  # several wait for each other in the end
            threading.Thread(
                target=_end_with_workers, args=(process, config, logs), daemon=True
            ).start()
        relay(process.stdout, Console())  # type: ignore[arg-type]
    if not is_finished(config):  # what hits a launcher afterwards does no harm
        raise_outcome(config.output.dir, logs, process.returncode, signals.received, typed)


def _end_with_workers(launcher: subprocess.Popen[str], config: RunConfig, logs: Path) -> None:
    """Kills a launcher that stays when the run has said how it ended and no worker is left.

    torchrun's signal handler raises wherever it is, also where `subprocess` holds the lock that waiting for
    a worker takes; from then on it waits for its whole PET_SHUTDOWN_TIMEOUT for one that has ended.
    """
    seen = time.monotonic()  # the last time that there was something to wait for
    while launcher.poll() is None:
        has_ended = is_finished(config) or (logs / OUTCOME_FILE).exists()
        if not has_ended or _has_workers(launcher.pid):
            seen = time.monotonic()
        elif time.monotonic() - seen > _STAY:
            launcher.kill()
        time.sleep(0.5)


def _has_workers(launcher: int) -> bool:
    import psutil

    try:
        workers = psutil.Process(launcher).children()
        return any(worker.status() != psutil.STATUS_ZOMBIE for worker in workers)
    except psutil.NoSuchProcess:
        return True  # one ended just now: look again
