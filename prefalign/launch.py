"""From `prefalign train` to running processes: preflight, `accelerate launch`, one message at the end.

The parent loads no torch before it has refused what can be refused. It starts a launcher whose workers
run the same command (`prefalign.worker`), draws their progress, and ends with their exit code.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from fnmatch import fnmatch
from pathlib import Path
from types import FrameType
from typing import Any, Self

from prefalign.config import RunConfig
from prefalign.launchers.options import asked_in, without
from prefalign.progress import Console, relay
from prefalign.records.run import METRICS_FILE, MODEL_DIR, RUN_FILE
from prefalign.survival.checkpoints import MANIFEST, newest_checkpoint
from prefalign.survival.identity import IDENTITY_FILE, refuse_other_settings
from prefalign.survival.orphans import PARENT
from prefalign.survival.outcome import LAUNCHER_LOG, OUTCOME_FILE, raise_outcome
from prefalign.survival.started import COMMAND, launched_at, wait_for_earlier
from prefalign.survival.stopping import ECHO, SIGNALS
from prefdata.errors import PrefError

SUPERVISED = "PREFALIGN_SUPERVISED"
"""Set by the parent for its workers: the directory where the first that fails says why."""

KERNELS = 128
"""Compiled kernels that oneDNN keeps on a CPU."""

_STAY = 10.0
"""Seconds that a launcher may take to end after its last worker."""

_NOBODY_ELSE = (
    "127.0.0.1"  # as the launchers' configs have it, until somebody writes an address there
)

_ENVIRONMENT = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TRL_EXPERIMENTAL_SILENCE": "1",  # its ORPO is experimental, which is why it is pinned
    "PET_SHUTDOWN_TIMEOUT": "600",  # seconds torchrun gives workers to save; 30 are too few for big models
    "OMP_WAIT_POLICY": "PASSIVE",  # threads that spin make a busy machine three times slower
    # in bf16 on a CPU every number of tokens is another set of kernels; both caches of PyTorch's oneDNN
    # keep 1024 of them, more than 1 GB, and batches of one more length seldom come again
    "ONEDNN_PRIMITIVE_CACHE_CAPACITY": str(KERNELS),
    "LRU_CACHE_CAPACITY": str(KERNELS),
}
_OUTPUTS = (
    RUN_FILE,
    IDENTITY_FILE,
    METRICS_FILE,
    "pairs*.parquet",
    "pairs*.arrows",
    MODEL_DIR,
    "README.md",
    "logs/rank-*",  # what launchers leave there, the next one replaces, and it may be there already
    "runs",  # of TensorBoard
    "checkpoint-*",
    ".saving",
)


def settle_environment() -> None:
    """Sets what libraries read when they are imported, unless the user has set it."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)


def is_worker(environment: Mapping[str, str] = os.environ) -> bool:
    """Returns whether a launcher started this process: torchrun, or accelerate for one process."""
    return "LOCAL_RANK" in environment or "ACCELERATE_DYNAMO_BACKEND" in environment


def is_finished(config: RunConfig) -> bool:
    """Returns whether the run directory holds a run that came to its end."""
    return (config.output.dir / RUN_FILE).exists()


def claim(
    config: RunConfig,
    say: Callable[[str], None],
    *,
    resume: bool | None = None,
    overwrite: bool = False,
) -> bool:
    """Makes sure that the run directory may be trained in.

    Args:
        config: the run file.
        say: hears of what takes long, and of a run that needs no training.
        resume: there has to be a run to go on with, or must not be one; None for either.
        overwrite: take a run that is there away first.

    Returns:
        Whether there is anything left to train.

    Raises:
        PrefError: somebody else trains in it, it holds another run, or what this one reads.
    """
    directory = config.output.dir
    refuse_to_overwrite_inputs(config)
    wait_for_earlier(directory, say, until=launched_at() if is_worker() else None)
    if overwrite:
        clear(directory)
    _refuse_unwanted(directory, resume=resume)
    if holds_a_run(directory):
        refuse_other_settings(config)
    if is_finished(config):
        say(f"{directory}: finished already; --overwrite trains it again")
        return False
    return True


def refuse_to_overwrite_inputs(config: RunConfig) -> None:
    """Refuses a run that reads a model or data where it writes, and where `--overwrite` clears.

    Raises:
        PrefError: all such inputs are named.
    """
    directory = config.output.dir.resolve()
    names = (config.model.name, config.data.train, config.data.test, config.model.chat_template)
    inside = [
        name for name in names if name and Path(name).exists() and _is_output(name, directory)
    ]
    if inside:
        raise PrefError(
            f"{', '.join(inside)}: the run would write over it, in its own output.dir",
            hint="choose another directory for the run: --set output.dir=DIR",
        )


def _is_output(name: str, directory: Path) -> bool:
    """Returns whether a file or directory is called what a run in `directory` calls what it writes."""
    path = Path(name).resolve()
    if path == directory:
        return True
    if directory not in path.parents:
        return False
    first = path.relative_to(directory).parts[0]
    return any(fnmatch(first, pattern.partition("/")[0]) for pattern in _OUTPUTS)


def _refuse_unwanted(directory: Path, *, resume: bool | None) -> None:
    """Refuses a directory that holds what was not expected in it."""
    if resume is False and holds_a_run(directory):
        raise PrefError(
            f"{directory}: holds a run already",
            hint="leave out --no-resume to go on with it, add --overwrite to replace it, or choose "
            "another directory with --set output.dir=DIR",
        )
    if (directory / RUN_FILE).exists() or newest_checkpoint(directory):
        return
    if holds_a_run(directory):
        raise PrefError(
            f"{directory}: its checkpoints have no {MANIFEST}, so they are not of this program or not whole",
            hint="add --overwrite to replace them, or choose another directory with "
            "--set output.dir=DIR",
        )
    if resume:
        raise PrefError(
            f"{directory}: holds no checkpoint to go on from",
            hint="leave out --resume to start afresh",
        )


def holds_a_run(directory: Path) -> bool:
    """Returns whether a run, finished or not, has left anything to go on from."""
    return (directory / RUN_FILE).exists() or any(directory.glob("checkpoint-*"))


def clear(directory: Path) -> None:
    """Removes what an earlier run left in `directory`; a directory without one is left alone."""
    if not holds_a_run(directory):
        return
    for pattern in _OUTPUTS:
        for path in directory.glob(pattern):
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink()


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


def launch_line(
    config: RunConfig, extra: Sequence[str] = (), *, gpus: int | None = None
) -> tuple[list[str], dict[str, str]]:
    """Returns arguments for `accelerate launch`, and environment variables to set for it.

    `--cpu --num_processes 2` would start one process; several on CPUs need `--multi_gpu` together
    with ACCELERATE_USE_CPU, whatever the names suggest.

    Args:
        config: the run.
        extra: arguments that replace ours.
        gpus: of the machine; None for this one.
    """
    wanted = config.hardware.num_processes
    if extra:
        given = any(item.startswith("--num_processes") for item in extra)
        return [*extra, *([] if given or wanted is None else ["--num_processes", str(wanted)])], {}
    here = gpus is None
    gpus = _gpus(config) if gpus is None else gpus
    processes = process_count(config, gpus)
    line = ["--num_processes", str(processes), "--num_machines", "1", "--mixed_precision", "no"]
    line += ["--dynamo_backend", "no", "--main_process_port", "0"]
    if here and "OMP_NUM_THREADS" not in os.environ:
        threads = max((os.cpu_count() or 1) // processes, 1)
        line += ["--num_cpu_threads_per_process", str(threads)]
    if processes > 1:
        line.append("--multi_gpu")
    elif not gpus:
        line.append("--cpu")
    return line, {} if gpus else {"ACCELERATE_USE_CPU": "true"}


def process_count(config: RunConfig, gpus: int | None = None) -> int:
    """Returns how many processes a run gets: as many as it names, else one for each GPU."""
    return config.hardware.num_processes or max(_gpus(config) if gpus is None else gpus, 1)


def shell_line(
    config: RunConfig, run_file: str, extra: Sequence[str] = (), *, gpus: int | None = None
) -> str:
    """Returns the launch line of a run as a person types it, here or on a machine with `gpus`."""
    arguments, variables = launch_line(config, extra, gpus=gpus)
    assigned = [f"{name}={value}" for name, value in variables.items()]
    return " ".join(
        [*assigned, "accelerate launch", shlex.join(arguments), "-m prefalign train", run_file]
    )


def shell_lines(
    config: RunConfig, run_file: str, extra: Sequence[str] = (), *, gpus: int | None = None
) -> list[str]:
    """Returns the launch line of each machine, with its number and the address of the first.

    Args:
        config: the run.
        run_file: its file, and what else follows.
        extra: arguments for `accelerate launch`; without any one machine runs all.
        gpus: of the machine; None for this one.
    """
    asked = asked_in(extra) if extra else None
    if asked is None or asked.machines == 1:
        return [shell_line(config, run_file, extra, gpus=gpus)]
    shared = without(extra, "machine_rank", "main_process_ip")
    address = asked.address if asked.address not in (None, _NOBODY_ELSE) else "ADDRESS"
    return [
        shell_line(
            config,
            run_file,
            [*shared, "--machine_rank", str(machine), "--main_process_ip", str(address)],
        )
        for machine in range(asked.machines)
    ]


def _gpus(config: RunConfig) -> int:
    """Returns how many GPUs of this machine a run may use."""
    if config.hardware.device == "cpu":
        return 0
    import torch

    return torch.accelerator.device_count()


class PassedOn:
    """Passes Ctrl-C and SIGTERM on to the workers, which save and stop; a second one kills them.

    They are in a session of their own, so a signal reaches them from here. The launcher hears of none as
    long as it has workers: it would leave them, or give them no time to save.

    Attributes:
        received: the signals so far.
    """

    def __init__(self) -> None:
        self.received: list[int] = []
        self._first = 0.0
        self._launcher: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._hear) for number in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def to(self, launcher: int) -> None:
        """Says which process is above the workers, and passes on what came before it was there."""
        self._launcher = launcher
        if self.received:
            _send(launcher, self.received[0])

    def _hear(self, number: int, _frame: FrameType | None) -> None:
        if self.received and time.monotonic() - self._first < ECHO:
            return
        self._first = self._first or time.monotonic()
        self.received.append(number)
        if self._launcher is not None:
            _send(self._launcher, number if len(self.received) == 1 else signal.SIGKILL)


def _send(launcher: int, number: int) -> None:
    """Sends a signal to the workers under a launcher; to the launcher where there are none, or to kill."""
    import psutil

    with suppress(psutil.Error):
        above = psutil.Process(launcher)
        workers = above.children(recursive=number == signal.SIGKILL)
        for worker in workers:
            with suppress(psutil.Error):
                worker.send_signal(number)
        if not workers or number == signal.SIGKILL:
            above.send_signal(number)
