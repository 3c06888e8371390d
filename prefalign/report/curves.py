"""Geometry of a chart of estimates over the values of a setting; the template draws it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from prefalign.metrics import Estimate
from prefdata.report.axes import Frame, Scale, Tick, ticks

_ASIDE = 7.0  # between the intervals of two curves at one value


class Curve(NamedTuple):
    """Estimates at some of the axis' values: (number of the value, estimate)."""

    label: str
    tone: int
    points: Sequence[tuple[int, Estimate]]


class Whisker(NamedTuple):
    """An estimate and its interval as positions."""

    x: float
    y: float
    low: float
    high: float
    text: str


class DrawnCurve(NamedTuple):
    """A curve as an SVG path and its points."""

    label: str
    tone: int
    path: str
    whiskers: list[Whisker]


class CurveChart(NamedTuple):
    """A chart of curves with intervals; `baseline` is the height that all are read against."""

    frame: Frame
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    curves: list[DrawnCurve]
    baseline: float | None


def curve_chart(
    curves: Sequence[Curve],
    values: Sequence[str],
    *,
    title: str,
    note: str,
    show: Callable[[float], str],
    baseline: float | None = None,
    width: float = 460,
    height: float = 260,
) -> CurveChart:
    """Returns a chart whose values stand side by side, equally far apart.

    Args:
        curves: each with at least one point.
        values: names of the places on the axis.
        title: above the chart.
        note: below the title.
        show: writes a value of the vertical axis.
        baseline: that all are read against.
        width: in SVG user units.
        height: likewise.
    """
    frame = Frame(title, note, width, height, 48.0, width - 14, 14.0, height - 34)
    ends = [end for curve in curves for _, e in curve.points for end in (e.low, e.high)]
    ends += [] if baseline is None else [baseline]
    room = (max(ends) - min(ends)) * 0.06 or 0.05
    up = frame.up(min(ends) - room, max(ends) + room)
    across = frame.across(-0.5, len(values) - 0.5)
    return CurveChart(
        frame,
        [Tick(across(place), name) for place, name in enumerate(values)],
        [Tick(up(value), show(value)) for value in ticks(up.low, up.high, 5)],
        [_drawn(c, n - (len(curves) - 1) / 2, across, up, show) for n, c in enumerate(curves)],
        None if baseline is None else up(baseline),
    )


def _drawn(
    curve: Curve, place: float, across: Scale, up: Scale, show: Callable[[float], str]
) -> DrawnCurve:
    """Returns a curve, moved aside so that intervals at one value do not cover each other."""
    whiskers = [
        Whisker(
            round(across(at) + place * _ASIDE, 1), up(one.value), up(one.low), up(one.high), show(one.value)
        )
        for at, one in sorted(curve.points, key=lambda point: point[0])
    ]  # fmt: skip
    path = "M" + "L".join(f"{w.x:g},{w.y:g}" for w in whiskers)
    return DrawnCurve(curve.label, curve.tone, path, whiskers)
