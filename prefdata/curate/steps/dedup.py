"""Keeps the best of pairs that are the same, letter by letter, loosely or nearly."""

from __future__ import annotations

from typing import Literal

import polars as pl
from pydantic import Field

from prefdata.curate import keys as key
from prefdata.curate.step import Keys, Step, removed_where, step
from prefdata.keys import repeated
from prefdata.near import clusters
from prefdata.near.conversations import answered, asked

_REASONS = {
    "exact": "duplicate-pair",
    "loose": "loosely-duplicate-pair",
    "near": "near-duplicate-pair",
}
_DOCUMENTS = ("near_prompt", "near_chosen", "near_rejected")


@step("dedup")
class Dedup(Step):
    """Keeps one of each group of equal pairs: the same prompt, chosen and rejected.

    Attributes:
        how: `exact` compares letter by letter, `loose` ignores letter case and white space, `near`
            takes texts for equal that near-duplicates connect.
        keep: which one stays: the `first` by source, file and row, or the one of the largest
            `margin`, `chosen_score` or number of `votes`; the first of those.
        threshold: of `near`: the smallest Jaccard similarity that connects two texts.
    """

    step: Literal["dedup"] = "dedup"
    how: Literal["exact", "loose", "near"] = "exact"
    keep: Literal["first", "margin", "chosen_score", "votes"] = "first"
    threshold: float = Field(0.8, ge=0.6, le=1)

    @property
    def lasting(self) -> bool:
        """Tells whether equality is exact: the search for near-duplicates finds most, not all."""
        return self.how != "near"

    @property
    def by_text(self) -> bool:
        """Tells whether texts are compared themselves."""
        return self.how == "near"

    def keys(self, columns: frozenset[str]) -> Keys:
        """Returns what is compared (`near`: the texts themselves), and what is best."""
        best = {} if self.keep == "first" else {str(self.keep): _quality(self.keep, columns)}
        if self.how == "near":
            texts = (asked(), answered("chosen"), answered("rejected"))
            return best | dict(zip(_DOCUMENTS, texts, strict=True))
        return best | (key.loose() if self.how == "loose" else {})

    def reasons(self, keys: pl.DataFrame) -> pl.Series:
        """Returns a reason for all but the best of each group."""
        groups = self._groups(keys)
        best = [] if self.keep == "first" else [keys[self.keep]]
        hashes = groups.hash_rows() if groups.width > 1 else groups.to_series().hash()
        several = repeated(hashes)  # of 64 bits, and few as a rule
        ordered = groups.with_columns(best).with_row_index("at").filter(several)
        if self.keep != "first":
            ordered = ordered.sort(self.keep, descending=True, nulls_last=True, maintain_order=True)
        later = ordered.filter(~pl.struct(groups.columns).is_first_distinct())["at"]
        goes = pl.repeat(value=False, n=keys.height, dtype=pl.Boolean, eager=True)
        return removed_where(pl.lit(goes.scatter(later, values=True)), keys, _REASONS[self.how])

    def _groups(self, keys: pl.DataFrame) -> pl.DataFrame:
        """Returns columns `group_0`, ... that equal pairs share."""
        if self.how == "near":
            found = [clusters(keys[name], self.threshold).labels for name in _DOCUMENTS]
        else:
            found = [keys["id" if self.how == "exact" else "loose"]]
        return pl.DataFrame([one.alias(f"group_{n}") for n, one in enumerate(found)])


def _quality(keep: str, columns: frozenset[str]) -> pl.Expr:
    if keep == "votes":
        return pl.col("votes").list.len().fill_null(0)
    return key.number(keep, columns)
