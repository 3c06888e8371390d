"""Selective DPO: keeps the pairs that models find easiest without having seen them."""

from __future__ import annotations

from typing import Literal

import polars as pl
from pydantic import Field

from prefdata.curate import keys as key
from prefdata.curate.step import Keys, Step, removed_unless, step

_MAKERS = {
    "validation_loss": "it is the mean DPO loss of a pair over models that were not trained on it:"
    " add --scores FILE for each, the pairs.parquet of a run that held these pairs out",
    "implicit_margin": key.LOGPS_MAKER,
}


@step("selective-dpo")
class SelectiveDpo(Step):
    """Keeps the easiest pairs (Gao et al. 2025, arXiv:2502.09650).

    Pairs beyond a model's capacity hurt its alignment. How hard a pair is says the validation loss
    of models that were trained on other pairs; the loss of one model falls as its implicit margin
    grows, so that margin puts pairs into the same order.

    Attributes:
        tau: the share of the pairs with a loss that stays.
        by: `validation_loss`, or `implicit_margin` of a run that was not trained on these pairs.
        max_loss: the loss at which to cut (the implicit margin's negative); worked out if not given.
    """

    step: Literal["selective-dpo"] = "selective-dpo"
    tau: float = Field(0.5, gt=0, lt=1)
    by: Literal["validation_loss", "implicit_margin"] = "validation_loss"
    max_loss: float | None = None

    def keys(self, columns: frozenset[str]) -> Keys:
        """Returns the loss or the margin."""
        return {self.by: key.number(self.by, columns)}

    def settled(self, keys: pl.DataFrame) -> Step:
        """Returns the step with the largest loss that stays."""
        key.require(keys, {self.by: _MAKERS[self.by]})
        if self.max_loss is not None:
            return self
        losses = keys.select(self._loss()).to_series()
        return self.model_copy(update={"max_loss": losses.quantile(self.tau, "nearest")})

    def reasons(self, keys: pl.DataFrame) -> pl.Series:
        """Returns `selective-dpo` for the harder pairs, `BY-missing` for those without a loss."""
        stays = self._loss() <= self.max_loss
        return removed_unless(stays, keys, "selective-dpo", missing=f"{self.by}-missing")

    def _loss(self) -> pl.Expr:
        return pl.col(self.by) if self.by == "validation_loss" else -pl.col(self.by)
