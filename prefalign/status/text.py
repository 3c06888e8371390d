"""The status of a run as lines for people."""

from __future__ import annotations

from collections.abc import Iterator

from prefalign.status import Point, Status
from prefalign.status.curve import curve
from prefalign.units import duration

_MEANINGS = {
    "running": "running",
    "finished": "finished",
    "stopped": "stopped early",
    "dead": "dead: its processes are gone before its end; logs/ may say why",
    "elsewhere": "started on another machine, so whether it runs cannot be seen from here",
}


def lines(status: Status) -> Iterator[str]:
    """Yields what `prefalign status` prints."""
    what = f"{status.method} on {status.model}, " if status.method else ""
    yield f"{status.directory}: {what}{_MEANINGS[status.state]}"
    for name, text in _facts(status):
        yield f"  {name:<10}  {text}"
    chart = curve([loss for _, loss in status.losses])
    if len(status.losses) > 1:
        yield ""
        yield f"training loss, steps {status.losses[0][0]:,} to {status.losses[-1][0]:,}"
        yield from chart
    if status.resume:
        yield ""
        yield f"go on with: {status.resume}"


def _facts(status: Status) -> Iterator[tuple[str, str]]:
    of_all = f" of {status.steps:,} ({status.step / status.steps:.0%})" if status.steps else ""
    yield "step", f"{status.step:,}{of_all}, {status.pairs_seen:,} pairs seen"
    if status.pairs_per_second is not None:
        yield "speed", ", ".join(_speeds(status))
    if status.train:
        yield "training", _point(status.train)
    if status.held_out:
        yield "held out", _point(status.held_out)
    yield "checkpoint", status.checkpoint or "none"
    if status.state in ("running", "elsewhere"):
        yield "processes", _processes(status)
    if status.message:
        yield "reason", status.message


def _speeds(status: Status) -> Iterator[str]:
    yield f"{status.pairs_per_second:,.2f} pairs/s"
    if status.tokens_per_second is not None:
        yield f"{status.tokens_per_second:,.0f} tokens/s"
    if status.mfu is not None:
        yield f"useful MFU {status.mfu:.0%}"
    if status.seconds_left is not None:
        yield f"{duration(status.seconds_left)} of training left"


def _point(point: Point) -> str:
    named = (
        ("loss {:.4f}", point.loss),
        ("margin {:+.3f} nats", point.margin),
        ("accuracy {:.2f}", point.accuracy),
    )
    shown = [form.format(value) for form, value in named if value is not None]
    return f"{', '.join(shown)} at step {point.step:,}"


def _processes(status: Status) -> str:
    alive = [process for process in status.processes if process.alive]
    if not alive:
        return ", ".join(f"{process.pid} on {process.host}" for process in status.processes)
    numbers = ", ".join(str(process.pid) for process in alive)
    return f"{len(alive)} of {len(status.processes)} alive: {numbers}"
