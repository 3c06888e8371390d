"""Keeps the share of the pairs with the largest or the smallest margins."""

from __future__ import annotations

from typing import Literal

import polars as pl
from pydantic import Field

from prefdata.curate import keys as key
from prefdata.curate.step import Keys, Step, removed_unless, step

_MAKERS = {
    "margin": "scores of both sides, or the strength of a vote, give it",
    "implicit_margin": key.LOGPS_MAKER,
    "confidence": key.LOGPS_MAKER,
}


@step("margin-share")
class MarginShare(Step):
    """Keeps the pairs at one end of the margins.

    Papers disagree about the end: large margins are clean labels (arXiv:2502.14560), small ones are
    pairs there is something to learn from (arXiv:2508.04149). Try both.

    Attributes:
        share: how much of the pairs that have a margin stays.
        end: `largest` or `smallest` margins.
        column: `margin` of the set; `implicit_margin` of a policy against its reference; or its
            `confidence`, the mean probability of the label over the evaluations in `--scores`
            (dataset cartography, arXiv:2009.10795).
        limit: the margin at which to cut; worked out if not given.
    """

    step: Literal["margin-share"] = "margin-share"
    share: float = Field(0.5, gt=0, lt=1)
    end: Literal["largest", "smallest"] = "largest"
    column: Literal["margin", "implicit_margin", "confidence"] = "margin"
    limit: float | None = None

    def keys(self, columns: frozenset[str]) -> Keys:
        """Returns the margin."""
        return {self.column: key.number(self.column, columns)}

    def settled(self, keys: pl.DataFrame) -> Step:
        """Returns the step with the limit."""
        key.require(keys, {self.column: _MAKERS[self.column]})
        if self.limit is not None:
            return self
        cut = 1 - self.share if self.end == "largest" else self.share
        return self.model_copy(update={"limit": keys[self.column].quantile(cut, "nearest")})

    def reasons(self, keys: pl.DataFrame) -> pl.Series:
        """Returns `margin-share` for the pairs beyond the limit, `COLUMN-missing` for those without."""
        value = pl.col(self.column)
        stays = value >= self.limit if self.end == "largest" else value <= self.limit
        return removed_unless(stays, keys, "margin-share", missing=f"{self.column}-missing")
