"""Exact Jaccard similarity of pairs of documents."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import polars as pl

from prefdata.near.shingles import shingles

if TYPE_CHECKING:
    from scipy.sparse import csr_array

THRESHOLD = 0.8

_AT_ONCE = 1 << 14  # pairs


def verify(documents: pl.Series, pairs: pl.DataFrame, threshold: float = THRESHOLD) -> pl.DataFrame:
    """Returns the pairs whose Jaccard similarity is at least `threshold`, with it as `jaccard`.

    Args:
        documents: String or List(String).
        pairs: `left` and `right`, rows of `documents`.
        threshold: in [0, 1].
    """
    near_each_other = pairs.with_columns(group=_components(pairs, len(documents))).sort(
        "group", "left", "right"
    )
    found = [pairs.clear().with_columns(jaccard=pl.lit(0.0))]
    for block in near_each_other.drop("group").iter_slices(_AT_ONCE):
        similar = block.with_columns(jaccard=_jaccard(documents, block))
        found.append(similar.filter(pl.col("jaccard") >= threshold))
    return pl.concat(found).sort("left", "right")


def components(pairs: pl.DataFrame, documents: int) -> npt.NDArray[np.int32]:
    """Returns the connected component of every document, where pairs are edges."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    left, right = pairs["left"].to_numpy(), pairs["right"].to_numpy()
    graph = coo_array((np.ones(len(left), np.int8), (left, right)), shape=(documents, documents))
    found: npt.NDArray[np.int32] = connected_components(graph, directed=False)[1]
    return found


def _components(pairs: pl.DataFrame, documents: int) -> pl.Series:
    """Returns the component of each pair: a document is then cut in one block only, mostly."""
    return pl.Series(components(pairs, documents)[pairs["left"].to_numpy()])


def _jaccard(documents: pl.Series, pairs: pl.DataFrame) -> pl.Series:
    ends = pairs["left"].append(pairs["right"]).to_numpy()
    rows, places = np.unique(ends, return_inverse=True)
    sets = _sets(documents.gather(rows))
    left, right = sets[places[: pairs.height]], sets[places[pairs.height :]]
    shared = left.multiply(right).sum(axis=1)
    together = left.sum(axis=1) + right.sum(axis=1) - shared
    return pl.Series(shared / together)


def _sets(documents: pl.Series) -> csr_array:
    """Returns (documents, hashes): 1 where a document has the shingle."""
    from scipy.sparse import csr_array

    cut = shingles(documents)
    columns = (cut.hashes >> np.uint64(1)).astype(np.int64)
    ones = np.ones(len(columns), np.int32)
    found = csr_array((ones, columns, cut.offsets), shape=(len(documents), np.iinfo(np.int64).max))
    found.sum_duplicates()
    found.data[:] = 1
    return found
