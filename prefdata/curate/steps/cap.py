"""Keeps at most so many pairs of a prompt."""

from __future__ import annotations

from typing import Literal

import polars as pl
from pydantic import Field

from prefdata.curate import keys as key
from prefdata.curate.step import Keys, Step, removed_where, step


@step("cap")
class Cap(Step):
    """Keeps at most `most` pairs of each prompt: those that `by` puts first.

    Pairs of one prompt are correlated, and a prompt with many of them outweighs the others.

    Attributes:
        most: pairs of a prompt that may stay.
        by: `draw` keeps pairs by chance, the same ones every time; `margin` those of the largest
            margins, pairs without one last.
        seed: another seed, another draw.
    """

    step: Literal["cap"] = "cap"
    most: int = Field(ge=1)
    by: Literal["draw", "margin"] = "draw"
    seed: int = Field(0, ge=0)

    def keys(self, columns: frozenset[str]) -> Keys:
        """Returns what pairs are put in order by."""
        margin = {"margin": key.number("margin", columns)} if self.by == "margin" else {}
        return key.prompt() | key.drawn(self.seed) | margin

    def reasons(self, keys: pl.DataFrame) -> pl.Series:
        """Returns `cap` for the pairs of a prompt that come after `most` others."""
        draw = key.draw_name(self.seed)
        order = [pl.col(draw)] if self.by == "draw" else [-pl.col("margin"), pl.col(draw)]
        ranked = keys.lazy().select("prompt_id", *(o.alias(f"by{i}") for i, o in enumerate(order)))
        names = [f"by{i}" for i in range(len(order))]
        at = (
            ranked.with_row_index("at")
            .sort(names, nulls_last=True, maintain_order=True)
            .with_columns(place=pl.int_range(pl.len()).over("prompt_id"))
            .sort("at")
            .collect()["place"]
        )
        return removed_where(pl.lit(at) >= self.most, keys, "cap")
