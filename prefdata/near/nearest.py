"""Near-duplicates between two sets."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from prefdata.near.keys import CONTENT, keys
from prefdata.near.pairs import WINDOW, first_of_content, pairs_frame
from prefdata.near.shingles import Hashes
from prefdata.near.verify import THRESHOLD, verify


def nearest(documents: pl.Series, others: pl.Series, threshold: float = THRESHOLD) -> pl.DataFrame:
    """Returns, for documents that have a near-duplicate in the other set, the most similar one.

    Args:
        documents: String or List(String).
        others: likewise.
        threshold: least Jaccard similarity, in [0.6, 1].

    Returns:
        `left` (row of `documents`, each once, ascending), `right` (row of `others`) and `jaccard`.
    """
    ours, theirs = keys(documents), keys(others)
    same = (
        ours.select(CONTENT)
        .with_row_index("left")
        .join(first_of_content(theirs).select("row", CONTENT), on=CONTENT, how="inner")
    )
    alike = same.select("left", right="row", jaccard=pl.lit(1.0))
    rest = first_of_content(ours).join(theirs.select(CONTENT), on=CONTENT, how="anti")
    pairs = _across(rest, first_of_content(theirs))
    both = pl.concat([documents, others])
    shifted = pairs.with_columns(right=pl.col("right") + len(documents))
    similar = verify(both, shifted, threshold).with_columns(right=pl.col("right") - len(documents))
    best = similar.sort("jaccard", "right", descending=[True, False]).unique("left", keep="first")
    return pl.concat([alike, _for_copies(best, ours[CONTENT])]).sort("left")


def _across(ours: pl.DataFrame, theirs: pl.DataFrame) -> pl.DataFrame:
    """Returns pairs of documents of two sets that share a band, each pair once."""
    theirs = theirs.sort(CONTENT)
    rows, others = (side["row"].to_numpy() for side in (ours, theirs))
    found = [
        (rows[at] << np.uint64(32)) | others[place]
        for name in ours.columns[2:]
        for at, place in _meetings(ours[name].to_numpy(), theirs[name].to_numpy())
    ]
    coded = np.unique(np.concatenate(found)) if found else np.empty(0, np.uint64)
    return pairs_frame(coded >> np.uint64(32), coded & np.uint64(0xFFFFFFFF))


def _meetings(
    ours: Hashes, theirs: Hashes
) -> list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Returns where a key of ours equals one of theirs: places of both, `WINDOW` for each of ours."""
    order = np.argsort(theirs, kind="stable")
    ordered = theirs[order]
    low, high = (np.searchsorted(ordered, ours, side) for side in ("left", "right"))
    found = []
    for step in range(WINDOW):
        at = np.flatnonzero(low + step < high)
        found.append((at, order[low[at] + step]))
    return found


def _for_copies(best: pl.DataFrame, contents: pl.Series) -> pl.DataFrame:
    """Returns what was found for the first document of a content for all of that content."""
    of_content = best.with_columns(content=contents.gather(best["left"])).drop("left")
    rows = contents.to_frame(CONTENT).with_row_index("left")
    return rows.join(of_content, on=CONTENT, how="inner").select("left", "right", "jaccard")
