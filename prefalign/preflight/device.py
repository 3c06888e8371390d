"""The memory of this machine's devices, asked for without torch."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

_CGROUP = Path("/sys/fs/cgroup")
_QUERY = ["--query-gpu=memory.total", "--format=csv,noheader,nounits"]
_SECONDS = 5  # that a driver is given to answer
_MIB = 1 << 20


class Device(NamedTuple):
    """Where a process of a run will compute.

    Attributes:
        kind: gpu or cpu.
        memory: bytes of the smallest GPU, or those that this machine's processes can still get.
        devices: GPUs; 1 for a CPU, whose memory all processes share.
    """

    kind: str
    memory: int
    devices: int


def find_device(wanted: str) -> Device:
    """Returns the device of a run.

    Args:
        wanted: `hardware.device` of the run file.
    """
    gpus = [] if wanted == "cpu" else _gpu_memory()
    return Device("gpu", min(gpus), len(gpus)) if gpus else Device("cpu", available_memory(), 1)


def _gpu_memory() -> list[int]:
    """Returns the bytes of each NVIDIA GPU that this process may use; none where none is found."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    program = shutil.which("nvidia-smi")
    if program is None or visible == "":
        return []
    command = [program, *_QUERY, *([f"--id={visible}"] if visible else [])]
    try:
        asked = subprocess.run(
            command, capture_output=True, text=True, timeout=_SECONDS, check=True
        )
        return [int(line) * _MIB for line in asked.stdout.split()]
    except (OSError, ValueError, subprocess.SubprocessError):
        return []  # no driver, or one that answers otherwise, as for slices of a GPU


def available_memory() -> int:
    """Returns the bytes that this machine, or the container we are in, still has to give."""
    import psutil

    limits = [int(psutil.virtual_memory().available)]
    used = _number(_CGROUP / "memory.current")
    most = _number(_CGROUP / "memory.max")
    if used is not None and most is not None:
        limits.append(max(most - used, 0))
    return min(limits)


def _number(file: Path) -> int | None:
    """Returns the number that a file of the kernel's holds; None for `max` or no such file."""
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return None
