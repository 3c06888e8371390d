"""Geometry of two kinds of chart: numbers in, positions in SVG user units out; no drawing.

The template draws them, so that colours come from the page's style sheet and follow its light and
dark scheme, and every text passes through the template's escaping.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from prefalign.metrics import Estimate
from prefdata.report.axes import Frame, Scale, Tick, ticks

_LABEL_GAP = 15.0  # least distance between the labels at the ends of two lines


class Series(NamedTuple):
    """Values over pairs seen. `tone` numbers the run's colour; `faint` lines have no label."""

    label: str
    tone: int
    points: Sequence[tuple[float, float]]
    dashed: bool = False
    faint: bool = False


class Line(NamedTuple):
    """A series as an SVG path, with the place of its last point and of its label."""

    label: str
    tone: int
    dashed: bool
    faint: bool
    path: str
    x: float
    y: float
    label_y: float


class LineChart(NamedTuple):
    """A chart of lines; `baseline` is the height of a value all lines are read against."""

    frame: Frame
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    lines: list[Line]
    baseline: float | None


class Dot(NamedTuple):
    """An estimate with its interval, as positions, in the row at height `y`."""

    label: str
    tone: int
    y: float
    x: float
    low: float
    high: float
    text: str


class DotChart(NamedTuple):
    """A chart of intervals, one row each, on one axis."""

    frame: Frame
    x_ticks: list[Tick]
    dots: list[Dot]
    baseline: float | None


def line_chart(
    series: Sequence[Series],
    *,
    title: str,
    note: str,
    show: Callable[[float], str],
    baseline: float | None = None,
    width: float = 460,
    height: float = 250,
) -> LineChart | None:
    """Returns a chart of values over pairs seen, or None where no series has two points."""
    drawn = [one for one in series if len(one.points) > 1]
    if not drawn:
        return None
    frame = Frame(title, note, width, height, 48.0, width - 84, 14.0, height - 30)
    xs = [x for one in drawn for x, _ in one.points]
    ys = [y for one in drawn for _, y in one.points] + ([] if baseline is None else [baseline])
    across = frame.across(*_padded(min(xs), max(xs), 0))
    up = frame.up(*_padded(min(ys), max(ys), 0.08))
    return LineChart(
        frame,
        [Tick(across(value), f"{value:,.0f}") for value in ticks(across.low, across.high, 4)],
        [Tick(up(value), show(value)) for value in ticks(up.low, up.high, 5)],
        _lines(drawn, across, up),
        None if baseline is None else up(baseline),
    )


def dot_chart(
    rows: Sequence[tuple[str, int, Estimate]],
    *,
    title: str,
    note: str,
    show: Callable[[float], str],
    mark: Callable[[float], str],
    span: tuple[float, float],
    baseline: float | None = None,
    width: float = 320,
) -> DotChart:
    """Returns a chart of estimates (label, tone, estimate) on an axis over `span`.

    `show` writes an estimate, `mark` a place on the axis.
    """
    step, top = 38.0, 8.0
    bottom = top + step * len(rows)
    frame = Frame(title, note, width, bottom + 30, 12.0, width - 12, top, bottom)
    across = frame.across(*span)
    dots = [
        Dot(label, tone, y, across(one.value), across(one.low), across(one.high), show(one.value))
        for y, (label, tone, one) in zip(
            (top + step * (n + 0.72) for n in range(len(rows))), rows, strict=True
        )
    ]
    marks = [Tick(across(value), mark(value)) for value in ticks(*span, 5)]
    at = None if baseline is None else across(baseline)
    return DotChart(frame, marks, dots, at)


def smoothed(points: Sequence[tuple[float, float]], window: int) -> list[tuple[float, float]]:
    """Returns the mean over the last `window` points at each point that has so many behind it."""
    return [
        (points[end - 1][0], sum(y for _, y in points[end - window : end]) / window)
        for end in range(window, len(points) + 1)
    ]


def _padded(low: float, high: float, share: float) -> tuple[float, float]:
    room = (high - low) * share if high > low else max(abs(high), 1.0) * 0.1
    return low - room, high + room


def _lines(series: Sequence[Series], across: Scale, up: Scale) -> list[Line]:
    lines = []
    for one in series:
        places = [(across(x), up(y)) for x, y in one.points]
        path = "M" + "L".join(f"{x:g},{y:g}" for x, y in places)
        x, y = places[-1]
        lines.append(Line(one.label, one.tone, one.dashed, one.faint, path, x, y, y))
    return _spread(lines, up.end, up.start)


def _spread(lines: list[Line], top: float, bottom: float) -> list[Line]:
    """Returns the lines with labels moved apart until none overlaps, inside the plot."""
    labelled = sorted((line for line in lines if not line.faint), key=lambda line: line.y)
    heights: list[float] = []
    for line in labelled:
        heights.append(max(line.y, heights[-1] + _LABEL_GAP if heights else top))
    ceiling = bottom
    for n in reversed(range(len(heights))):
        heights[n] = min(heights[n], ceiling)
        ceiling = heights[n] - _LABEL_GAP
    placed = [
        line._replace(label_y=round(height, 1))
        for line, height in zip(labelled, heights, strict=True)
    ]
    return [line for line in lines if line.faint] + placed
