"""Which documents may be near-duplicates: those that share a key.

A key that a whole set shares (a boilerplate prompt) must not make a pair of every two documents. So in
every bucket of one key each document is paired with the few before it, in an order that the contents
alone decide, and with the first: the number of pairs grows with that of documents, and a cluster
still hangs together.
"""

from __future__ import annotations

from typing import cast

import numpy as np
import numpy.typing as npt
import polars as pl

from prefdata.near.keys import CONTENT
from prefdata.near.shingles import Hashes

WINDOW = 8  # documents of a bucket that each is paired with

_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)


def candidates(keys: pl.DataFrame) -> pl.DataFrame:
    """Returns pairs of documents that share a band, each pair once: `left`, `right`, UInt32.

    Documents of one content are paired by the first of them only, so the pairs do not depend on
    how often or in which order they occur.

    Args:
        keys: what `prefdata.near.keys` returns; a document's number is its row.
    """
    firsts = first_of_content(keys).sort(CONTENT)
    together = pl.Series(dtype=pl.UInt64)
    for name in firsts.columns[2:]:
        shared = pl.Series(_in_buckets(firsts[name].to_numpy()))
        together = pl.concat([together, shared]).unique()
    found = together.to_numpy()
    rows = firsts["row"].to_numpy()
    left, right = rows[found >> _HALF], rows[found & _LOW]
    return pairs_frame(np.minimum(left, right), np.maximum(left, right))


def first_of_content(keys: pl.DataFrame) -> pl.DataFrame:
    """Returns the first document of each content: `row`, UInt32, before the columns of the keys."""
    return keys.with_row_index("row").filter(pl.col(CONTENT).is_first_distinct())


def pairs_frame(left: npt.NDArray[np.uint32], right: npt.NDArray[np.uint32]) -> pl.DataFrame:
    """Returns pairs as a frame, in order."""
    return pl.DataFrame(
        {"left": left, "right": right}, schema={"left": pl.UInt32, "right": pl.UInt32}
    ).sort("left", "right")


def _in_buckets(keys: Hashes) -> Hashes:
    """Returns pairs of equal keys: the lower position in the upper half, the higher in the lower."""
    order = np.argsort(keys, kind="stable").astype(np.uint64)
    ordered = keys[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    sizes = np.diff(np.append(starts, len(keys)))
    place = np.arange(len(keys)) - np.repeat(starts, sizes)
    found = [_coded(order, np.flatnonzero(place >= lag), lag) for lag in range(1, WINDOW + 1)]
    far = np.flatnonzero(place > WINDOW)
    found.append(_coded(order, far, place[far]))
    return np.concatenate(found)


def _coded(order: Hashes, at: npt.NDArray[np.int64], lag: int | npt.NDArray[np.int64]) -> Hashes:
    """Returns the pairs of the documents at some places and those `lag` before them.

    The sort is stable and positions ascend, so the one before has the lower position.
    """
    return cast(Hashes, (order[at - lag] << _HALF) | order[at])
