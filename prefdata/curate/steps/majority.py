"""Settles contradictions: the direction that most votes speak for stays, if it is clear enough."""

from __future__ import annotations

from typing import Literal

import numpy as np
import polars as pl
from pydantic import Field

from prefdata.curate import keys as key
from prefdata.curate.step import Keys, Step, step

_GROUP = ("prompt_id", "low", "high")


@step("majority")
class Majority(Step):
    """Of pairs that prefer the same two completions in both directions, keeps the majority's.

    A pair counts as its votes, or as one vote where it has none. Of a group with votes a and b for
    the two directions, ties one half each, the larger side stays if the posterior probability that
    most people would vote for it, P(p > 1/2) under Beta(a + 1, b + 1), is at least `posterior`;
    otherwise the whole group goes.

    Attributes:
        posterior: the smallest probability, 0.5 to 1; 0.9 takes 4 votes to 0, 6 to 1 or 8 to 2.
    """

    step: Literal["majority"] = "majority"
    posterior: float = Field(0.9, ge=0.5, lt=1)

    def keys(self, columns: frozenset[str]) -> Keys:  # noqa: ARG002
        """Returns the two completions and the votes on them."""
        votes = pl.col("votes").list.eval(pl.element().struct.field("choice"))
        ties = votes.list.count_matches("tie") / 2
        bare = votes.list.len().fill_null(0) == 0
        return (
            key.prompt()
            | key.sides()
            | {
                "for": pl.when(bare).then(1.0).otherwise(votes.list.count_matches("chosen") + ties),
                "against": pl.when(bare)
                .then(0.0)
                .otherwise(votes.list.count_matches("rejected") + ties),
            }
        )

    def reasons(self, keys: pl.DataFrame) -> pl.Series:
        """Returns `outvoted` for the smaller side, `undecided` for both sides of an unclear group."""
        chosen, rejected = pl.col("chosen_hash"), pl.col("rejected_hash")
        up = chosen < rejected
        counted = (
            keys.lazy()
            .select(
                "prompt_id",
                low=pl.min_horizontal(chosen, rejected),
                high=pl.max_horizontal(chosen, rejected),
                up=up,
                up_votes=pl.when(up).then("for").otherwise("against"),
                down_votes=pl.when(up).then("against").otherwise("for"),
            )
            .with_row_index("at")
            .collect()
        )
        groups = (
            counted.lazy()
            .group_by(_GROUP)
            .agg(
                pl.col("up").min().alias("all_up"),
                pl.col("up").max().alias("any_up"),
                pl.col("up_votes", "down_votes").sum(),
            )
            .filter(~pl.col("all_up") & pl.col("any_up"))
            .collect()
        )
        verdicts = groups.select(
            *_GROUP, clear=self._clear(groups), winner=pl.col("up_votes") > pl.col("down_votes")
        )
        return (
            counted.join(verdicts, on=_GROUP, how="left", maintain_order="left")
            .select(
                reason=pl.when(~pl.col("clear"))
                .then(pl.lit("undecided"))
                .when(pl.col("up") != pl.col("winner"))
                .then(pl.lit("outvoted"))
            )
            .to_series()
        )

    def _clear(self, groups: pl.DataFrame) -> pl.Series:
        from scipy.special import betainc

        up, down = (groups[name].to_numpy() for name in ("up_votes", "down_votes"))
        more, fewer = np.maximum(up, down), np.minimum(up, down)
        # P(p > 1/2) under Beta(a, b) is I_1/2(b, a).
        # Of equal votes that is one half, but for rounding, and neither side is the larger.
        return pl.Series((betainc(fewer + 1, more + 1, 0.5) >= self.posterior) & (more > fewer))
