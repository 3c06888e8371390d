"""Draws pairs by chance."""

from __future__ import annotations

from typing import Literal

import polars as pl
from pydantic import Field, model_validator

from prefdata.curate import keys as key
from prefdata.curate.step import Keys, Step, removed_where, step


@step("sample")
class Sample(Step):
    """Keeps `size` pairs, or about the `share` of them, drawn by chance.

    The draw is by content: a pair that a set and its next version share is drawn in both. Repeats
    of a pair draw alike.

    Attributes:
        size: how many pairs stay, exactly.
        share: the probability of each pair to stay.
        seed: another seed, another draw.
    """

    step: Literal["sample"] = "sample"
    size: int | None = Field(None, ge=1)
    share: float | None = Field(None, gt=0, lt=1)
    seed: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _says_how_many(self) -> Sample:
        if (self.size is None) == (self.share is None):
            raise ValueError("set either size or share")
        return self

    def keys(self, columns: frozenset[str]) -> Keys:  # noqa: ARG002
        """Returns a draw."""
        return key.drawn(self.seed)

    def reasons(self, keys: pl.DataFrame) -> pl.Series:
        """Returns `sample` for the pairs that were not drawn."""
        draw = pl.col(key.draw_name(self.seed))
        if self.share is not None:
            return removed_where(draw >= pl.lit(int(self.share * 2**64), pl.UInt64), keys, "sample")
        return removed_where(draw.rank("ordinal") > self.size, keys, "sample")
