"""From `prefalign train` to running processes: preflight, `accelerate launch`, one message at the end.

The parent loads no torch before it has refused what can be refused. It starts a launcher whose workers
run the same command (`prefalign.worker`), draws their progress, and ends with their exit code.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prefalign.config import RunConfig
from prefalign.errors import TrainingFailed
from prefalign.progress import Console, relay
from prefalign.record import METRICS_FILE, MODEL_DIR, RUN_FILE
from prefalign.started import COMMAND
from prefdata.errors import PrefError

SUPERVISED = "PREFALIGN_SUPERVISED"
"""Set by the parent for its workers: the directory where the first that fails says why."""

KERNELS = 128
"""Compiled kernels that oneDNN keeps on a CPU."""

OUTCOME_FILE = "outcome.json"
"""In the logs: why the workers that a parent started have failed."""
_ENVIRONMENT = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TRL_EXPERIMENTAL_SILENCE": "1",  # its ORPO is experimental, which is why it is pinned
    "OMP_WAIT_POLICY": "PASSIVE",  # threads that spin make a busy machine three times slower
    # in bf16 on a CPU every number of tokens is another set of kernels; both caches of PyTorch's oneDNN
    # keep 1024 of them, more than 1 GB, and batches of one more length seldom come again
    "ONEDNN_PRIMITIVE_CACHE_CAPACITY": str(KERNELS),
    "LRU_CACHE_CAPACITY": str(KERNELS),
}
_OUTPUTS = (
    RUN_FILE,
    METRICS_FILE,
    "pairs*.parquet",
    "pairs*.arrows",
    MODEL_DIR,
    "README.md",
    "logs",
    "checkpoint-*",
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


def holds_a_run(directory: Path) -> bool:
    """Returns whether a run, finished or not, has left anything to go on from."""
    return (directory / RUN_FILE).exists() or any(directory.glob("checkpoint-*"))


def clear(directory: Path) -> None:
    """Removes what an earlier run left in `directory`; a directory without one is left alone."""
    if not holds_a_run(directory):
        return
    for pattern in _OUTPUTS:
        for path in directory.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def launch(config: RunConfig, command: Sequence[str], extra: Sequence[str] = ()) -> None:
    """Runs `command` in as many processes as the run wants, and waits for them.

    Args:
        config: the run file, already through `preflight`.
        command: arguments of `python -m prefalign` that lead back to the same run.
        extra: arguments for `accelerate launch`, instead of ours.

    Raises:
        PrefError: the workers failed; the exit code is theirs.
    """
    logs = config.output.dir / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    (logs / OUTCOME_FILE).unlink(missing_ok=True)
    arguments, variables = launch_line(config, extra)
    typed = shlex.join([*command, *(["--", *extra] if extra else [])])
    environment = os.environ | variables | {SUPERVISED: str(logs), COMMAND: typed}
    with (
        (logs / "launcher.log").open("w") as log,
        subprocess.Popen(
            [sys.executable, "-m", "accelerate.commands.launch", *arguments, "-m", "prefalign", *command],
            env=environment, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True,
        ) as process,
        _signals_forwarded(process),
    ):  # fmt: skip
        relay(process.stdout, Console())  # type: ignore[arg-type]
    _raise_outcome(logs, process.returncode)


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


def shell_line(config: RunConfig, run_file: str, gpus: int | None = None) -> str:
    """Returns the launch line of a run as a person types it, here or on a machine with `gpus`."""
    arguments, variables = launch_line(config, gpus=gpus)
    assigned = [f"{name}={value}" for name, value in variables.items()]
    return " ".join(
        [*assigned, "accelerate launch", shlex.join(arguments), "-m prefalign train", run_file]
    )


def _gpus(config: RunConfig) -> int:
    """Returns how many GPUs of this machine a run may use."""
    if config.hardware.device == "cpu":
        return 0
    import torch

    return torch.accelerator.device_count()


@contextmanager
def _signals_forwarded(process: subprocess.Popen[str]) -> Iterator[None]:
    """Passes Ctrl-C and SIGTERM on to the workers, which save and stop; the second one kills them.

    The workers are in a session of their own, so a signal reaches them once and only from here.
    """
    received: list[int] = []

    def forward(number: int, _frame: Any) -> None:
        received.append(number)
        if process.poll() is None:
            os.killpg(process.pid, number if len(received) == 1 else signal.SIGKILL)

    before = {number: signal.signal(number, forward) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def write_outcome(logs: Path, error: PrefError) -> None:
    """Says why this process failed, unless another has said so before: the first knows the cause."""
    try:
        file = (logs / OUTCOME_FILE).open("x")
    except FileExistsError:
        return
    with file:
        json.dump(
            {"exit_code": error.exit_code, "message": error.message, "hint": error.hint}, file
        )


def _raise_outcome(logs: Path, code: int) -> None:
    path = logs / OUTCOME_FILE
    if path.exists():
        outcome = json.loads(path.read_text())
        error = TrainingFailed(outcome["message"], hint=outcome["hint"])
        error.exit_code = outcome["exit_code"]
        raise error
    if code:
        error = TrainingFailed(
            f"the launcher ended with exit code {code}", hint=f"see {logs / 'launcher.log'}"
        )
        error.exit_code = code if code > 0 else 128 - code
        raise error
