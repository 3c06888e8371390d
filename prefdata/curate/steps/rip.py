"""RIP: keeps the pairs whose rejected side is good and long, and close behind the chosen one."""

from __future__ import annotations

from typing import Literal

import polars as pl
from pydantic import Field

from prefdata.curate import keys as key
from prefdata.curate.step import Keys, Step, removed_where, step

_MAKERS = dict.fromkeys(
    ("rejected_score", "margin"),
    "a reward model gives the scores of both sides: chosen_score and rejected_score",
)


@step("rip")
class Rip(Step):
    """Rejecting Instruction Preferences (Yu et al. 2025, arXiv:2501.18578).

    A poor or short rejected answer, or one far behind, is a sign of a poor prompt. Keeps a pair if
    its rejected score and length reach, and its margin does not exceed, a quantile of the set each.

    Attributes:
        quantile: the quantile of all three limits that are not given.
        min_rejected_score: in the units of the reward model; worked out if not given.
        min_rejected_characters: likewise.
        max_margin: likewise.
    """

    step: Literal["rip"] = "rip"
    quantile: float = Field(0.5, ge=0, le=1)
    min_rejected_score: float | None = None
    min_rejected_characters: float | None = None
    max_margin: float | None = None

    def keys(self, columns: frozenset[str]) -> Keys:
        """Returns what the rejected side is worth, its length, and the margin."""
        scores = {name: key.number(name, columns) for name in _MAKERS}
        return scores | key.lengths()

    def settled(self, keys: pl.DataFrame) -> Step:
        """Returns the step with all three limits."""
        key.require(keys, _MAKERS)
        limits = {
            "min_rejected_score": "rejected_score",
            "min_rejected_characters": "rejected_characters",
            "max_margin": "margin",
        }
        missing = {name: column for name, column in limits.items() if getattr(self, name) is None}
        found = {name: keys[c].quantile(self.quantile, "nearest") for name, c in missing.items()}
        return self.model_copy(update=found)

    def reasons(self, keys: pl.DataFrame) -> pl.Series:
        """Returns `rip` for the pairs beyond a limit, and those without scores."""
        stays = (
            (pl.col("rejected_score") >= self.min_rejected_score)
            & (pl.col("rejected_characters") >= self.min_rejected_characters)
            & (pl.col("margin") <= self.max_margin)
        )
        return removed_where(~stays.fill_null(value=False), keys, "rip")
