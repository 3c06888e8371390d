"""Geometry of two kinds of chart: numbers in, positions in SVG user units out; no drawing.

The template draws them, so that colours come from the page's style sheet and follow its light and
dark scheme, and every text passes through the template's escaping.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple, TypeAlias

from prefdata.report.axes import Frame, Scale, Tick, ticks
from prefdata.report.model import Histogram, Share
from prefdata.report.visible import plain

_WIDTH, _HEIGHT = 540.0, 210.0
_LABELS, _VALUES = 168.0, 126.0  # columns beside the plot of a row chart
_LABEL_CHARACTERS = 25
_STEP = 24.0  # from row to row
_DECADES = 2.5  # of a logarithmic axis that are enough to mark whole powers of ten only


class Extent(NamedTuple):
    """A bar from one value to another."""

    start: float
    end: float
    tone: int


class Measure(NamedTuple):
    """What one row shows: bars, or a share with its interval."""

    label: str
    text: str
    bars: Sequence[Extent] = ()
    share: Share | None = None
    tone: int = 1


class Bar(NamedTuple):
    """A bar in its place."""

    x: float
    width: float
    tone: int


class Dot(NamedTuple):
    """A value and its interval in their places."""

    x: float
    low: float
    high: float


class Row(NamedTuple):
    """One row of a chart: its label, cut, and whole where it was cut."""

    label: str
    whole: str
    text: str
    y: float
    tone: int
    bars: list[Bar]
    dot: Dot | None


class RowChart(NamedTuple):
    """A chart of one row for each thing, all on one axis."""

    frame: Frame
    x_ticks: list[Tick]
    baseline: float | None
    rows: list[Row]
    kind: str = "rows"


class Area(NamedTuple):
    """A series of a histogram as the outline of its bars."""

    label: str
    text: str
    tone: int
    path: str


class AreaChart(NamedTuple):
    """A chart of one or more histograms over the same axis, each with the same area."""

    frame: Frame
    x_ticks: list[Tick]
    baseline: float | None
    areas: list[Area]
    kind: str = "areas"


Chart: TypeAlias = RowChart | AreaChart


def row_chart(
    measures: Sequence[Measure],
    *,
    title: str,
    note: str,
    span: tuple[float, float],
    mark: Callable[[float], str],
    baseline: float | None = None,
) -> RowChart:
    """Returns a chart with a row for each measure.

    Args:
        measures: from top to bottom.
        title: what it shows.
        note: how to read it.
        span: ends of the axis.
        mark: writes a place on the axis.
        baseline: the value that all are read against.
    """
    top = 4.0
    bottom = top + _STEP * len(measures)
    frame = Frame(title, note, _WIDTH, bottom + 24, _LABELS, _WIDTH - _VALUES, top, bottom)
    across = frame.across(*span)
    rows = [_row(measure, top + _STEP * (n + 0.5), across) for n, measure in enumerate(measures)]
    marks = [Tick(across(value), mark(value)) for value in ticks(*span, 4)]
    at = None if baseline is None else across(baseline)
    return RowChart(frame, marks, at, rows)


def _row(measure: Measure, y: float, across: Scale) -> Row:
    label = plain(measure.label, _LABEL_CHARACTERS)
    bars = [
        Bar(
            min(across(bar.start), across(bar.end)),
            abs(across(bar.end) - across(bar.start)),
            bar.tone,
        )
        for bar in measure.bars
    ]
    share = measure.share
    dot = Dot(across(share.value), across(share.low), across(share.high)) if share else None
    whole = plain(measure.label, 200)
    return Row(label, whole, measure.text, y, measure.tone, bars, dot)


def area_chart(
    histogram: Histogram,
    tones: Sequence[int],
    texts: Sequence[str],
    *,
    title: str,
    note: str,
    logarithmic: bool,
    mark: Callable[[float], str],
    baseline: float | None = None,
) -> AreaChart:
    """Returns a chart of the series of a histogram that hold anything.

    Args:
        histogram: what is drawn.
        tones: number of the colour of each series.
        texts: what the legend says of each series.
        title: what it shows.
        note: how to read it.
        logarithmic: whether the axis is; all edges must be above 0 then.
        mark: writes a place on the axis.
        baseline: the value that all are read against, if the axis holds it.
    """
    place: Callable[[float], float] = math.log10 if logarithmic else float
    edges = [place(edge) for edge in histogram.edges]
    frame = Frame(title, note, _WIDTH, _HEIGHT, 8.0, _WIDTH - 8, 8.0, _HEIGHT - 24)
    across = frame.across(edges[0], edges[-1])
    heights = [_densities(series.counts, edges) for series in histogram.series]
    up = frame.up(0, max(map(max, heights)) or 1.0)
    areas = [
        Area(series.name, text, tone, _outline(edges, height, across, up))
        for series, tone, text, height in zip(histogram.series, tones, texts, heights, strict=True)
        if any(series.counts)
    ]
    marks = (
        _powers(edges, across, mark)
        if logarithmic
        else [Tick(across(value), mark(value)) for value in ticks(edges[0], edges[-1], 6)]
    )
    within = baseline is not None and edges[0] <= baseline <= edges[-1]
    at = across(baseline) if baseline is not None and within else None
    return AreaChart(frame, marks, at, areas)


def _densities(counts: Sequence[int], edges: Sequence[float]) -> list[float]:
    total = sum(counts) or 1
    widths = [high - low for low, high in pairwise(edges)]
    return [count / total / width for count, width in zip(counts, widths, strict=True)]


def _outline(edges: Sequence[float], heights: Sequence[float], across: Scale, up: Scale) -> str:
    """Returns the path along the tops of the bars, from the first filled one to the last."""
    filled = [n for n, height in enumerate(heights) if height]
    if not filled:
        return ""
    first, last = filled[0], filled[-1]
    path = f"M{across(edges[first]):g},{up(0):g}"
    for n in range(first, last + 1):
        path += f"V{up(heights[n]):g}H{across(edges[n + 1]):g}"
    return f"{path}V{up(0):g}"


def _powers(edges: Sequence[float], across: Scale, mark: Callable[[float], str]) -> list[Tick]:
    """Returns marks at powers of ten, and at their double and fivefold where there are few."""
    steps = (1,) if edges[-1] - edges[0] > _DECADES else (1, 2, 5)
    values = [step * 10**power for power in range(math.ceil(edges[-1]) + 1) for step in steps]
    within = [value for value in values if edges[0] <= math.log10(value) <= edges[-1]]
    return [Tick(across(math.log10(value)), mark(value)) for value in within]
