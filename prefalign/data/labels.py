"""How sure a label is: what the votes on a pair say about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from prefdata.errors import InputError

if TYPE_CHECKING:
    import polars as pl


def label_probabilities(pairs: pl.DataFrame, ids: list[str], source: str) -> NDArray[np.float64]:
    """Returns (P,) for each of `ids` the share of its votes that chosen is better.

    A tie is half a vote for either side, and a pair without votes is sure. A pair that stands in the
    set more than once has the votes of all its rows.

    Args:
        pairs: canonical pairs.
        ids: of P of them, in the order that is wanted.
        source: what they were read from, for messages.

    Raises:
        InputError: no pair has votes, so that all labels would be sure.
    """
    import polars as pl

    votes = pairs.select("id", "votes").explode("votes").drop_nulls("votes")
    if votes.is_empty():
        raise InputError(
            f"{source}: no pair has votes, which method.labels: votes reads",
            hint="set method.labels=hard, or convert a source that says who voted for what",
        )
    choice = pl.col("votes").struct.field("choice")
    worth = choice.replace_strict({"chosen": 1.0, "tie": 0.5, "rejected": 0.0})
    shares = votes.group_by("id").agg(worth.mean().alias("share"))
    ordered = pl.DataFrame({"id": ids}).join(shares, on="id", how="left", maintain_order="left")
    return ordered["share"].fill_null(1.0).to_numpy()
