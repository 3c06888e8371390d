"""Keeps the pairs whose scores lie within limits."""

from __future__ import annotations

import math
from typing import Literal

import polars as pl
from pydantic import Field, model_validator

from prefdata.curate import keys as key
from prefdata.curate.step import Keys, Step, step


@step("filter")
class Filter(Step):
    """Keeps the pairs of which one number lies within limits, the limits included.

    Attributes:
        column: `margin`, `chosen_score`, `rejected_score`, another column of numbers, or a field of
            meta. Without a margin, it is the difference of the scores.
        min: the smallest number that stays, in the units of the source.
        max: the largest.
        missing: what becomes of pairs without that number.
    """

    step: Literal["filter"] = "filter"
    column: str
    min: float | None = Field(None, allow_inf_nan=False)
    max: float | None = Field(None, allow_inf_nan=False)
    missing: Literal["remove", "keep"] = "remove"

    @model_validator(mode="after")
    def _has_limits(self) -> Filter:
        if self.min is None and self.max is None:
            raise ValueError("set min, max or both")
        return self

    def keys(self, columns: frozenset[str]) -> Keys:
        """Returns the number."""
        return {self.column: key.number(self.column, columns)}

    def reasons(self, keys: pl.DataFrame) -> pl.Series:
        """Returns `COLUMN-too-low`, `-too-high` or `-missing`.

        Raises:
            InputError: no pair has the number.
        """
        if self.missing == "remove":
            key.require(keys, {self.column: "`prefdata show` shows the scores that a set has"})
        value = pl.col(self.column).fill_nan(None)
        low = value < (-math.inf if self.min is None else self.min)
        high = value > (math.inf if self.max is None else self.max)
        return keys.select(
            reason=pl.when(low)
            .then(pl.lit(f"{self.column}-too-low"))
            .when(high)
            .then(pl.lit(f"{self.column}-too-high"))
            .when(value.is_null() & (self.missing == "remove"))
            .then(pl.lit(f"{self.column}-missing"))
        )["reason"]
