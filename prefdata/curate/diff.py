"""What changed between two sets: pairs that came, went, turned round, moved or were rated anew."""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

SPLIT = "split"
_RATED = ("chosen_score", "rejected_score", "margin", "chosen_model", "rejected_model", "votes")


class Diff(NamedTuple):
    """The rows that differ between sets A and B; a repeat of a pair counts on its own.

    Attributes:
        added: pairs of B that A does not have.
        removed: pairs of A that B does not have.
        relabelled: pairs of B that A has the other way round (same prompt, tools and completions);
            they are not among those added, nor their originals among those removed.
        moved: pairs of B that are in another split in A, with `from_split`.
        rated: pairs of B whose scores, models or votes are others in A.
    """

    added: pl.DataFrame
    removed: pl.DataFrame
    relabelled: pl.DataFrame
    moved: pl.DataFrame
    rated: pl.DataFrame

    @property
    def differs(self) -> bool:
        """Tells whether there is any difference."""
        return any(part.height for part in self)


def diff(before: pl.DataFrame, after: pl.DataFrame) -> Diff:
    """Compares two sets by content; the order of rows and where they came from do not count.

    Args:
        before: canonical columns, and `split` if the set is a split one.
        after: likewise.
    """
    one, other = _keyed(before), _keyed(after)
    gone = one.join(other, on=["id", "copy"], how="anti", maintain_order="left")
    came = other.join(one, on=["id", "copy"], how="anti", maintain_order="left")
    gone, came = (
        _numbered(rows, ["prompt_id", "chosen_key", "rejected_key"], "turn")
        for rows in (gone, came)
    )
    back = {"left_on": ["prompt_id", "chosen_key", "rejected_key", "turn"],
            "right_on": ["prompt_id", "rejected_key", "chosen_key", "turn"]}  # fmt: skip
    relabelled = came.join(gone, **back, how="semi", maintain_order="left")  # type: ignore[arg-type]
    added = came.join(gone, **back, how="anti", maintain_order="left")  # type: ignore[arg-type]
    removed = gone.join(came, **back, how="anti", maintain_order="left")  # type: ignore[arg-type]
    both = other.join(
        one.select("id", "copy", "rated", from_split=SPLIT),
        on=["id", "copy"],
        maintain_order="left",
        suffix="_before",
    )
    # a pair that occurs several times has changed only if none of its copies was like this
    moved = both.join(one, on=["id", SPLIT], how="anti", nulls_equal=True, maintain_order="left")
    rated = both.join(one, on=["id", "rated"], how="anti", maintain_order="left")
    return Diff(
        added=after[added["at"]],
        removed=before[removed["at"]],
        relabelled=after[relabelled["at"]],
        moved=after[moved["at"]].with_columns(from_split=moved["from_split"]),
        rated=after[rated["at"]],
    )


def _keyed(pairs: pl.DataFrame) -> pl.DataFrame:
    """Returns the few bytes of each pair that are compared; `copy` tells repeats apart."""
    split = pl.col(SPLIT) if SPLIT in pairs.columns else pl.lit(None, pl.String)
    keys = pairs.lazy().select(
        "id",
        "prompt_id",
        split.alias(SPLIT),
        chosen_key=pl.col("chosen").hash(),
        rejected_key=pl.col("rejected").hash(),
        rated=pl.struct(_RATED).hash(),
    )
    rows = keys.collect().with_row_index("at")
    return _numbered(rows.sort("id", SPLIT, "rated", "at"), ["id"], "copy").sort("at")


def _numbered(rows: pl.DataFrame, group: list[str], name: str) -> pl.DataFrame:
    return rows.with_columns(pl.int_range(pl.len()).over(group).alias(name))
