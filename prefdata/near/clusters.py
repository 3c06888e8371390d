"""Clusters of near-duplicates in one set."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl

from prefdata.near.keys import CONTENT, keys
from prefdata.near.pairs import candidates, pairs_frame
from prefdata.near.verify import THRESHOLD, components, verify


class Clusters(NamedTuple):
    """Documents that near-duplicates connect.

    Attributes:
        labels: UInt32, one a document: the row of the first document of its cluster.
        edges: `left`, `right` (rows, UInt32, left < right) and `jaccard`: the similar pairs that were
            found; copies of one document are connected with the first of them only.
    """

    labels: pl.Series
    edges: pl.DataFrame


def clusters(documents: pl.Series, threshold: float = THRESHOLD) -> Clusters:
    """Returns the clusters of documents that a Jaccard similarity of `threshold` connects.

    Equal documents are always together, and the clusters do not depend on the order of documents.

    Args:
        documents: String or List(String); see `prefdata.near.shingles`.
        threshold: in [0.6, 1]; below, too many similar pairs share no band.
    """
    copies = hashes(documents)
    distinct = copies.arg_unique()
    texts = documents.gather(distinct)
    found = keys(texts)
    near = verify(texts, candidates(found), threshold)
    rows = distinct.to_numpy()
    edges = pl.concat(
        [
            near.with_columns(pl.Series(name, rows[near[name]]) for name in ("left", "right")),
            _copies(found[CONTENT], rows),
            _copies(copies, np.arange(len(documents), dtype=np.uint32)),
        ]
    ).sort("left", "right")
    return Clusters(_labels(edges, len(documents)), edges)


def hashes(documents: pl.Series) -> pl.Series:
    """Returns a hash of every document, UInt64, the same within one version of polars.

    Lists are joined, as hashing their cells is slow.

    Args:
        documents: String or List(String).
    """
    if documents.dtype != pl.String:
        documents = documents.list.join("\0", ignore_nulls=True)
    return documents.fill_null("").hash()


def _copies(contents: pl.Series, rows: np.ndarray) -> pl.DataFrame:
    """Returns an edge of similarity 1 from the first document of each content to the others."""
    first = pl.DataFrame({"content": contents, "row": pl.Series(rows, dtype=pl.UInt32)}).select(
        "row", first=pl.col("row").first().over("content")
    )
    later = first.filter(pl.col("row") != pl.col("first"))
    pairs = pairs_frame(later["first"].to_numpy(), later["row"].to_numpy())
    return pairs.with_columns(jaccard=pl.lit(1.0))


def _labels(edges: pl.DataFrame, documents: int) -> pl.Series:
    component = components(edges, documents)
    _, firsts = np.unique(component, return_index=True)
    return pl.Series(firsts.astype(np.uint32)[component])
