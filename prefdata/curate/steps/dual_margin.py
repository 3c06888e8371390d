"""Dual margin: keeps the pairs whose margin is large by a reward model and by the policy."""

from __future__ import annotations

from typing import Literal

import polars as pl
from pydantic import Field

from prefdata.curate import keys as key
from prefdata.curate.step import Keys, Step, removed_where, step

_MAKERS = {
    "margin": "a reward model gives it: chosen_score minus rejected_score",
    "implicit_margin": key.LOGPS_MAKER,
}
_Range = tuple[float, float]


@step("dual-margin")
class DualMargin(Step):
    """Bayesian aggregation of two margins (Deng et al. 2025, arXiv:2502.14560).

    Each margin m becomes a probability p = (m - low) / (high - low), clipped to 0.01 .. 0.99; together
    they are p1 p2 / (p1 p2 + (1 - p1)(1 - p2)), and the largest of those stay.

    Attributes:
        share: how much of the pairs that have both margins stays.
        trim: the quantile at each end that `low` and `high` are taken at.
        margin: low and high of the reward model's margins; worked out if not given.
        implicit_margin: those of the policy's, in nats.
        limit: the probability at which to cut; worked out if not given.
    """

    step: Literal["dual-margin"] = "dual-margin"
    share: float = Field(0.1, gt=0, lt=1)
    trim: float = Field(0.02, ge=0, lt=0.5)
    margin: _Range | None = None
    implicit_margin: _Range | None = None
    limit: float | None = None

    def keys(self, columns: frozenset[str]) -> Keys:
        """Returns the two margins."""
        return {name: key.number(name, columns) for name in _MAKERS}

    def settled(self, keys: pl.DataFrame) -> Step:
        """Returns the step with both ranges and the limit."""
        key.require(keys, _MAKERS)
        ranges = {n: getattr(self, n) or self._range(keys[n]) for n in _MAKERS}
        found = self.model_copy(update=ranges)
        if self.limit is not None:
            return found
        together = keys.select(found.probability()).to_series()
        limit = together.quantile(1 - self.share, "nearest")
        if limit is None:
            raise key.lacking("no pair has both margins", _MAKERS["implicit_margin"])
        return found.model_copy(update={"limit": limit})

    def _range(self, margins: pl.Series) -> _Range:
        low, high = (margins.quantile(at, "nearest") or 0.0 for at in (self.trim, 1 - self.trim))
        return low, high

    def probability(self) -> pl.Expr:
        """Returns the aggregated probability (arXiv:2502.14560, section 3.2)."""
        one, other = (self._probability(name) for name in _MAKERS)
        right, wrong = one * other, (1 - one) * (1 - other)
        return right / (right + wrong)

    def _probability(self, name: str) -> pl.Expr:
        low, high = getattr(self, name)
        share: pl.Expr = (pl.col(name) - low) / ((high - low) or 1.0)
        return share.clip(0.01, 0.99)

    def reasons(self, keys: pl.DataFrame) -> pl.Series:
        """Returns `dual-margin` for the pairs below the limit, and those without both margins."""
        stays = self.probability() >= self.limit
        return removed_where(~stays.fill_null(value=False), keys, "dual-margin")
