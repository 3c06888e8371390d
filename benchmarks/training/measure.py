"""Seconds, memory, loss and gradient of sides that take turns."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from benchmarks.training.sides import Maker
from benchmarks.training.work import Side, Work

MIB = 1 << 20


class Measured(NamedTuple):
    """What one side took.

    Attributes:
        seconds: for all pairs, median of rounds: CPU time on a CPU, clock time on a GPU.
        reference: seconds for the reference log-probs of all pairs, where they are kept; else 0.
        peak: bytes beyond what was there before the step, of the first global batch; on a CPU it
            means something only in a process of its own, and is None where none was started.
        loss: of the first global batch, nats.
        apart: of its gradient from that of the side it is compared with, relative.
    """

    seconds: float
    reference: float
    peak: int | None
    loss: float
    apart: float


def take_turns(
    work: Work,
    makers: dict[str, Maker],
    rounds: int,
    *,
    until: float,
    exact: Collection[str],
    tell: Callable[[str], None],
) -> dict[str, Measured]:
    """Returns what each side took; one that ran out of memory or of time is missing.

    Args:
        work: what all are given.
        makers: the sides.
        rounds: at most, after one that only warms up.
        until: of the monotonic clock; no further round is begun then.
        exact: sides whose gradient those behind them are compared with.
        tell: called with each side that is ready, and with one that cannot run, and why.
    """
    sides = {name: maker(work) for name, maker in makers.items()}
    first: dict[str, Measured] = {}
    truth: list[Tensor] = []
    for name, side in list(sides.items()):
        truth = [] if name in exact else truth
        try:
            first[name], gradient = first_step(side, truth)
            truth = truth or gradient
            tell(name)
        except torch.OutOfMemoryError:
            tell(f"{name}: out of memory")
            del sides[name]
        free()
    truth.clear()
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        if time.monotonic() > until and all(times.values()):
            tell("out of time: fewer rounds")
            break
        for name, side in list(sides.items()):
            try:
                times[name].append(_seconds(partial(_all_steps, side)))
            except torch.OutOfMemoryError:  # a later batch may be longer than the first
                tell(f"{name}: out of memory")
                del sides[name], times[name]
                free()
    return {
        name: first[name]._replace(
            seconds=statistics.median(times[name]),
            reference=_seconds(side.refer) if side.refer is not None else 0.0,
        )
        for name, side in sides.items()
    }


def first_step(side: Side, truth: list[Tensor]) -> tuple[Measured, list[Tensor]]:
    """Warms up, and measures what does not need many rounds; returns the gradient, too."""
    free()
    before = reset_peak()
    loss = side.step(0)
    peak = read_peak() - before
    gradient = side.gradient()
    found = Measured(0.0, 0.0, peak, float(loss), _apart(gradient, truth))
    side.trainer.model.zero_grad(set_to_none=True)
    return found, gradient


def _apart(gradient: list[Tensor], truth: list[Tensor]) -> float:
    """Returns the norm of the difference over that of the truth; 0 without one."""
    squares = [
        ((mine.float() - its.float()).square().sum().double(), its.float().square().sum().double())
        for mine, its in zip(gradient, truth, strict=bool(truth))
    ]
    difference, norm = (sum(column) for column in zip(*squares, strict=True)) if squares else (0, 1)
    return float((difference / norm) ** 0.5)


def _all_steps(side: Side) -> None:
    for number in range(len(side.batches)):
        side.step(number)
    side.trainer.model.zero_grad(set_to_none=True)


def _seconds(work: Callable[[], Any]) -> float:
    """Returns what `work` takes: CPU time on a CPU, clock time on a GPU."""
    clock = time.perf_counter if torch.cuda.is_available() else time.process_time
    free()
    started = clock()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return clock() - started


def profile_of(side: Side, trace: Path) -> str:
    """Returns the operations of a step, the costliest first, and writes them down for a trace viewer."""
    with torch.profiler.profile() as profiler:
        side.step(0)
        if torch.cuda.is_available():
            torch.cuda.synchronize()
    profiler.export_chrome_trace(str(trace))
    order = "self_cuda_time_total" if torch.cuda.is_available() else "self_cpu_time_total"
    table: str = profiler.key_averages().table(sort_by=order, row_limit=25)
    return table


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
