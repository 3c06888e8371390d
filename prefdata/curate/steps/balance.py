"""Makes the longer completion win no more often than the shorter one, at every difference."""

from __future__ import annotations

from typing import Literal

import polars as pl
from pydantic import Field

from prefdata.curate import keys as key
from prefdata.curate.step import Keys, Step, removed_where, step


@step("balance-length")
class BalanceLength(Step):
    """Removes pairs by chance until chosen is the longer one in half of each bin.

    Bins are quantiles of the difference of lengths in characters, without its sign; pairs of equal
    lengths all stay. So length says nothing about the label, near or far. (Length explains much of
    what preference training gains: arXiv:2310.03716.)

    Attributes:
        bins: how many bins of about as many pairs each.
        edges: upper ends of all bins but the last, in characters; worked out if not given.
        seed: another seed, another draw.
    """

    step: Literal["balance-length"] = "balance-length"
    bins: int = Field(10, ge=1)
    edges: tuple[float, ...] | None = None
    seed: int = Field(0, ge=0)

    @property
    def lasting(self) -> bool:
        """A later step that removes a longer completion upsets the balance."""
        return False

    def keys(self, columns: frozenset[str]) -> Keys:  # noqa: ARG002
        """Returns the lengths, and a draw."""
        return key.lengths() | key.drawn(self.seed)

    def settled(self, keys: pl.DataFrame) -> Step:
        """Returns the step with the edges of the bins."""
        if self.edges is not None:
            return self
        sizes = keys.select(_difference().abs()).to_series()
        sizes = sizes.filter(sizes > 0)
        shares = [n / self.bins for n in range(1, self.bins)]
        cuts = {sizes.quantile(share, "nearest") for share in shares} - {None}
        return self.model_copy(update={"edges": tuple(sorted(cuts))})

    def reasons(self, keys: pl.DataFrame) -> pl.Series:
        """Returns `length-balance` for the pairs of a bin's larger side that the draw leaves over."""
        edges = pl.Series(self.edges or (), dtype=pl.Float64)
        size = keys.select(_difference().abs().cast(pl.Float64)).to_series()
        at = (
            keys.lazy()
            .select(draw=key.draw_name(self.seed), longer=_difference().sign())
            .with_columns(bin=edges.search_sorted(size, side="left"))
            .with_row_index("at")
            .sort("draw", maintain_order=True)
            .with_columns(place=pl.int_range(pl.len()).over("bin", "longer"))
            .with_columns(
                fewer=pl.min_horizontal(
                    (pl.col("longer") == 1).sum().over("bin"),
                    (pl.col("longer") == -1).sum().over("bin"),
                )
            )
            .sort("at")
            .select(goes=(pl.col("longer") != 0) & (pl.col("place") >= pl.col("fewer")))
            .collect()["goes"]
        )
        return removed_where(pl.lit(at), keys, "length-balance")


def _difference() -> pl.Expr:
    chosen, rejected = pl.col("chosen_characters"), pl.col("rejected_characters")
    return chosen.cast(pl.Int64) - rejected.cast(pl.Int64)
