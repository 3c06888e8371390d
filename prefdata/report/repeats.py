"""How often pairs and prompts repeat."""

from __future__ import annotations

import polars as pl

from prefdata.checks import Evidence
from prefdata.near.conversations import prompt_clusters
from prefdata.report.model import Copies, Duplicates

_SIZES = (2, 3, 4, 5, 10, 100)  # smallest group of each kind


def duplicates(data: Evidence, similarity: float) -> Duplicates:
    """Returns the groups of equal pairs, and of prompts that are nearly the same.

    Args:
        data: the evidence; its clusters at this similarity are computed once.
        similarity: least Jaccard similarity of two prompts, in [0.6, 1].
    """
    near = data.once(prompt_clusters, similarity)
    return Duplicates(
        equal_pairs=_groups(data.pairs["id"]),
        near_prompts=_groups(near["cluster"]),
        similarity=similarity,
    )


def _groups(keys: pl.Series) -> list[Copies]:
    """Returns the groups of equal keys by their size."""
    sizes = keys.alias("key").value_counts().filter(pl.col("count") > 1).select(size="count")
    counted = (
        sizes.with_columns(kind=pl.sum_horizontal(pl.col("size") >= least for least in _SIZES[1:]))
        .group_by("kind")
        .agg(groups=pl.len(), things=pl.col("size").sum())
        .sort("kind")
    )
    last = [*(size - 1 for size in _SIZES[1:]), None]
    return [
        Copies(smallest=_SIZES[kind], largest=last[kind], groups=groups, things=things)
        for kind, groups, things in counted.rows()
    ]
