"""Numbers to histograms: a few hundred bytes, however many numbers there were."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from prefdata.report.model import Histogram, Series

Floats: TypeAlias = npt.NDArray[np.float64]

_BARS = 30
_PER_DECADE = 8
_FIRST_DECADE = (1.0, 2.0, 3.0, 4.0, 6.0, 8.0)  # so that every bar holds a whole number
_TAIL = 0.005  # of the values on either side, which the outermost bars hold


def log_histogram(counts: pl.DataFrame) -> Histogram | None:
    """Returns a histogram of each column of counts; no bar holds zeros, and edges grow by a factor.

    None where all counts are zero.
    """
    top = max((_highest(column) for column in counts.iter_columns()), default=0.0)
    if top < 1:
        return None
    steps = max(1, int(np.floor((np.log10(top) - 1) * _PER_DECADE)) + 1)
    later = np.round(10 ** (1 + np.arange(steps + 1) / _PER_DECADE), 2)
    edges = np.concatenate([_FIRST_DECADE, later])
    return Histogram(
        edges=edges.tolist(),
        series=[_series(column, edges, positive=True) for column in counts.iter_columns()],
    )


def linear_histogram(columns: pl.DataFrame) -> Histogram | None:
    """Returns a histogram of each column, or None where there is one value at most."""
    values = np.concatenate([_finite(column) for column in columns.iter_columns()])
    edges = _edges(np.unique(values), values)
    if edges is None:
        return None
    return Histogram(
        edges=edges.tolist(),
        series=[_series(column, edges, positive=False) for column in columns.iter_columns()],
    )


def _edges(distinct: Floats, values: Floats) -> Floats | None:
    if len(distinct) < 2:
        return None
    low, high = float(distinct[0]), float(distinct[-1])
    if high - low < _BARS and np.array_equal(distinct, np.round(distinct)):
        return np.arange(low, high + 2) - 0.5  # a bar for each whole number
    inner = np.quantile(values, [_TAIL, 1 - _TAIL])
    if inner[0] < inner[1] < low + (high - low) / 2 or inner[0] > high - (high - low) / 2:
        low, high = map(float, inner)  # a few far values would push all others into one bar
    edges = np.linspace(low, high, _BARS + 1)
    return edges if np.isfinite(edges).all() and (np.diff(edges) > 0).all() else None


def _series(column: pl.Series, edges: Floats, *, positive: bool) -> Series:
    values = _finite(column)
    drawn = values[values > 0] if positive else values
    within = np.clip(drawn, edges[0], edges[-1])
    median, high = np.quantile(values, [0.5, 0.95]).tolist() if len(values) else (None, None)
    mean = float(values.mean()) if len(values) else None
    return Series(
        name=column.name,
        counts=np.histogram(within, edges)[0].tolist(),
        values=len(values),
        median=median,
        mean=mean if mean is not None and np.isfinite(mean) else None,
        high=high,
    )


def _finite(column: pl.Series) -> Floats:
    values = column.drop_nulls().cast(pl.Float64)
    return values.filter(values.is_finite()).to_numpy()


def _highest(column: pl.Series) -> float:
    values = _finite(column)
    return float(values.max()) if len(values) else 0.0
