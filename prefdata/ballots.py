"""The votes behind pairs and ties, one a row, for rules about annotators."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from prefdata.stats.annotators import annotator_accuracies
from prefdata.stats.intervals import simultaneous_z

if TYPE_CHECKING:
    from prefdata.checks import Evidence

_SAYS = {"chosen": 1, "tie": 0, "rejected": -1}


def ballots(data: Evidence) -> pl.DataFrame:
    """Returns one row a vote, on pairs and on ties.

    The columns are `item` (i64), the pair or tie voted on; `annotator`, null where it has no name;
    `says` (i8), 1 for chosen or the first side of a tie, 0 for a tie, -1 for the other;
    `shown` (i8), the same of the side that the annotator saw first, null where that is unknown.
    """
    pairs = data.pairs.select("votes", "chosen_first")
    if data.ties is None:
        return _one_a_row(pairs)
    ties = data.ties.select("votes", chosen_first=pl.lit(None, pl.Boolean))
    return _one_a_row(pl.concat([pairs, ties]))


def _one_a_row(judged: pl.DataFrame) -> pl.DataFrame:
    vote = pl.col("votes").struct
    says = vote.field("choice").replace_strict(_SAYS, return_dtype=pl.Int8)
    turn = pl.when("chosen_first").then(1).when(~pl.col("chosen_first")).then(-1)
    return (
        judged.with_columns(item=pl.int_range(pl.len()))
        .filter(pl.col("votes").list.len() > 0)
        .explode("votes")
        .with_columns(annotator=vote.field("annotator"), says=says)
        .select("item", "annotator", "says", shown=(pl.col("says") * turn).cast(pl.Int8))
    )


def shared(votes: pl.DataFrame) -> pl.DataFrame:
    """Returns the votes for a side on items that have two or more of them."""
    decided = votes.filter(pl.col("says") != 0)
    return decided.filter(pl.len().over("item") > 1)


def accuracies(data: Evidence) -> pl.DataFrame:
    """Returns how often each annotator is right, by the votes of the others (Dawid & Skene 1979).

    Returns:
        `annotator`, null for all those without a name together; `accuracy`, `low` and `high`, 95 %
        intervals that hold for all annotators at once; `votes` that were counted.
    """
    votes = shared(data.once(ballots)).with_columns(
        item=pl.col("item").rank("dense") - 1,
        person=pl.col("annotator").fill_null("").rank("dense") - 1,  # the nameless are one
    )
    names = votes.group_by("person").agg(pl.col("annotator").first()).sort("person")["annotator"]
    item, person, says = votes.select("item", "person", "says").cast(pl.Int64).to_numpy().T
    counts = (votes["item"].n_unique(), len(names))
    z = simultaneous_z(max(1, len(names)))
    found = annotator_accuracies(item, person, says, counts, z)
    return pl.DataFrame({"annotator": names, **found._asdict()})
