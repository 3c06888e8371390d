"""Seconds, memory, loss and gradient of sides that take turns."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from benchmarks.training.sides import Maker, Side, Work

MIB = 1 << 20


class Measured(NamedTuple):
    """What one side took.

    Attributes:
        seconds: for all pairs, median of rounds: CPU time on a CPU, clock time on a GPU.
        peak: bytes beyond what was there before the step, of the first global batch; on a CPU it
            means something only in a process of its own.
        loss: of the first global batch, nats.
        gradient: of the first global batch.
    """

    seconds: float
    peak: int
    loss: float
    gradient: Tensor


def take_turns(
    work: Work, makers: dict[str, Maker], rounds: int, *, until: float, tell: Callable[[str], None]
) -> dict[str, Measured]:
    """Returns what each side took; one that ran out of memory or of time is missing.

    Args:
        work: what all are given.
        makers: the sides.
        rounds: at most, after one that only warms up.
        until: of the monotonic clock; no further round is begun then.
        tell: called with a side that cannot run, and why.
    """
    sides = {name: maker(work) for name, maker in makers.items()}
    first: dict[str, Measured] = {}
    for name, side in list(sides.items()):
        try:
            first[name] = first_step(side)
        except torch.OutOfMemoryError:
            tell(f"{name}: out of memory")
            del sides[name]
            free()
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        if time.monotonic() > until and all(times.values()):
            tell("out of time: fewer rounds")
            break
        for name, side in sides.items():
            times[name].append(_seconds(side))
    return {n: first[n]._replace(seconds=statistics.median(spent)) for n, spent in times.items()}


def first_step(side: Side) -> Measured:
    """Warms up, and measures what does not need many rounds."""
    free()
    before = reset_peak()
    loss = side.step(0)
    peak = read_peak() - before
    found = Measured(0.0, peak, float(loss), side.gradient())
    side.trainer.model.zero_grad(set_to_none=True)
    return found


def _seconds(side: Side) -> float:
    """Returns what all global batches take."""
    clock = time.perf_counter if torch.cuda.is_available() else time.process_time
    free()
    started = clock()
    for number in range(len(side.batches)):
        side.step(number)
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    spent = clock() - started
    side.trainer.model.zero_grad(set_to_none=True)
    return spent


def free() -> None:
    """Gives back what nobody holds."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def reset_peak() -> int:
    """Returns the bytes in use now, from where the peak is counted."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
        return torch.cuda.memory_allocated()
    Path("/proc/self/clear_refs").write_text("5")
    return _of_process("VmRSS")


def read_peak() -> int:
    """Returns the most bytes in use since `reset_peak`."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    return _of_process("VmHWM")


def _of_process(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"/proc/self/status has no {field}")
