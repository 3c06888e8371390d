"""The launch line of a run: what `accelerate launch` is given, as arguments and as a person types it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence

from prefalign.config import RunConfig
from prefalign.launchers.options import asked_in, without

# as the launchers' configs have it, until somebody writes an address there
_NOBODY_ELSE = "127.0.0.1"


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
