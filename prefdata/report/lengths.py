"""How long the sides are, and how well that tells the label."""

from __future__ import annotations

import polars as pl

from prefdata.checks import Evidence
from prefdata.expressions import characters
from prefdata.report.histograms import log_histogram
from prefdata.report.model import Histogram, LengthGap
from prefdata.report.shares import share

_SIDES = ("prompt", "chosen", "rejected")
_RATIOS = (1.0, 1.1, 1.25, 1.5, 2.0, 4.0)  # of the longer side to the shorter


def side_lengths(data: Evidence) -> pl.DataFrame:
    """Returns `prompt`, `chosen` and `rejected`: the characters of every pair."""
    return data.pairs.select(characters(side).fill_null(0).alias(side) for side in _SIDES)


def length_histogram(data: Evidence) -> Histogram | None:
    """Returns how the lengths of the three sides are distributed, in characters."""
    return log_histogram(data.once(side_lengths))


def length_gaps(data: Evidence) -> list[LengthGap]:
    """Returns how often the longer side is chosen, by how much longer it is; ends of bins excluded."""
    chosen, rejected = pl.col("chosen"), pl.col("rejected")
    longer, shorter = pl.max_horizontal(chosen, rejected), pl.min_horizontal(chosen, rejected)
    counted = (
        data.once(side_lengths)
        .filter(chosen != rejected)
        .select(
            ratio=pl.sum_horizontal(longer / shorter >= least for least in _RATIOS[1:]),
            hit=chosen > rejected,
        )
        .group_by("ratio")
        .agg(hits=pl.col("hit").sum(), pairs=pl.len())
        .sort("ratio")
    )
    ends = (*_RATIOS[1:], None)
    return [
        LengthGap(at_least=_RATIOS[kind], below=ends[kind], longer_chosen=share(hits, pairs))
        for kind, hits, pairs in counted.rows()
    ]
