"""Which processes a run has: each leaves a small file that says how to find it and how it was started.

A process number alone means nothing once its process is gone and the number is given away again, so the
time of its start stands beside it, and the machine it runs on.
"""

from __future__ import annotations

import os
import shlex
import socket
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from prefalign.config import RunConfig
from prefdata.errors import PrefError
from prefdata.io.write import atomic

COMMAND = "PREFALIGN_COMMAND"
"""Set by the parent for its workers: what follows `prefalign` on the command line that started it."""

_ONCE = ("--overwrite", "--resume", "--no-resume")
"""Options that say what to do with an earlier start; without them a run is gone on with."""

_PATTERN = "rank-*.json"
_SAME_START = 2.0  # seconds: the clock may have been set since


class Started(BaseModel):
    """One process of a run, as it said when it started."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rank: int
    pid: int
    host: str
    started: float
    """Seconds since 1970."""
    directory: str
    """Where relative paths start."""
    command: str
    """The command line that started the run."""
    config: dict[str, Any]
    """The resolved run file."""

    @property
    def is_here(self) -> bool:
        """Whether it runs, or ran, on this machine."""
        return self.host == socket.gethostname()

    @property
    def is_alive(self) -> bool:
        """Whether it runs on this machine now."""
        import psutil

        if not self.is_here:
            return False
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started) < _SAME_START
            return bool(same and process.status() != psutil.STATUS_ZOMBIE)
        except psutil.Error:
            return False

    @property
    def to_resume(self) -> str:
        """The command line that goes on with the run, from any directory."""
        command, dashes, launcher = self.command.partition(" -- ")
        words = [word for word in shlex.split(command) if word not in _ONCE]
        line = f"{shlex.join(words)}{dashes}{launcher}"
        return line if Path.cwd() == Path(self.directory) else f"cd {self.directory} && {line}"


def write_started(config: RunConfig, rank: int) -> None:
    """Leaves the file of this process in the logs of its run.

    The first process does so before the others, and takes away those of an earlier start.
    """
    import psutil

    if rank == 0:
        for path in (config.output.dir / "logs").glob(_PATTERN):
            path.unlink(missing_ok=True)

    by_us = os.environ.get(COMMAND)
    # dots stand for the arguments of somebody else's launcher, which its workers never see
    by_hand = ["accelerate", "launch", "...", "-m", "prefalign", *sys.argv[1:]]
    started = Started(
        rank=rank,
        pid=os.getpid(),
        host=socket.gethostname(),
        started=psutil.Process().create_time(),
        directory=str(Path.cwd()),
        command=f"prefalign {by_us}" if by_us else shlex.join(by_hand),
        config=config.model_dump(mode="json"),
    )
    with atomic(config.output.dir / "logs" / f"rank-{rank}.json") as temporary:
        temporary.write_text(started.model_dump_json(indent=2) + "\n", encoding="utf-8")


def read_started(directory: Path) -> list[Started]:
    """Returns the processes that the last start of a run had, in the order of their ranks."""
    found = []
    for path in (directory / "logs").glob(_PATTERN):
        try:
            found.append(Started.model_validate_json(path.read_bytes()))
        except ValidationError:
            continue  # of another release
    return sorted(found, key=lambda process: process.rank)


def is_worker(environment: Mapping[str, str] = os.environ) -> bool:
    """Returns whether a launcher started this process: torchrun, or accelerate for one process."""
    return "LOCAL_RANK" in environment or "ACCELERATE_DYNAMO_BACKEND" in environment


def launched_at() -> float:
    """Returns when the launcher above this process started, in seconds since 1970."""
    import psutil

    parent = psutil.Process().parent()
    return float(parent.create_time()) if parent else time.time()


def resume_line(directory: Path) -> str | None:
    """Returns the command line that goes on with the run in `directory`; None where nobody wrote it down."""
    processes = read_started(directory)
    if not processes:
        return None
    line = processes[0].to_resume
    return "the same command on every machine" if "--machine_rank" in line else line


def wait_for_earlier(
    directory: Path,
    say: Callable[[str], None],
    *,
    until: float | None = None,
    patience: float = 30.0,
) -> None:
    """Waits for processes of an earlier start to end, such as save a checkpoint because they were told to.

    Args:
        directory: of the run.
        say: told whom it waits for.
        until: seconds since 1970; processes that started later belong to this start.
        patience: seconds.

    Raises:
        PrefError: they are still there: somebody is training in this directory.
    """
    end, told = time.monotonic() + patience, False
    while living := [
        process
        for process in read_started(directory)
        if process.is_alive and (until is None or process.started < until)
    ]:
        numbers = ", ".join(str(process.pid) for process in living)
        if time.monotonic() > end:
            raise PrefError(
                f"{directory}: an earlier start is training in it (process {numbers})",
                hint=f"wait for its end, stop it with kill {living[0].pid}, or choose another directory "
                "with --set output.dir=DIR",
            )
        if not told:
            say(f"waiting for process {numbers} of an earlier start to end")
            told = True
        time.sleep(0.2)
