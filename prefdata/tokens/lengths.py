"""What every max_length would cost a set of pairs, from the lengths of its rendered tokens.

Nothing is cut here: how many tokens a pair keeps, and whether its two sides become the same, follows
from six numbers a pair, so a table of many lengths costs no more than one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from prefdata.tokens.truncate import Truncation

if TYPE_CHECKING:
    import polars as pl

Ints: TypeAlias = NDArray[np.int64]

ROUND_TO = 64
"""Recommended lengths are rounded up to a multiple of this: kernels work in such tiles."""

_FEWEST, _MOST = 256, 1 << 20  # tokens: the lengths offered where nobody names any


class Recommended(NamedTuple):
    """The smallest max_length that cuts fewer than a share of the pairs.

    Attributes:
        exact: tokens.
        rounded: `exact`, rounded up to a multiple of `ROUND_TO`.
    """

    exact: int
    rounded: int


def pair_lengths(table: pa.Table) -> pl.DataFrame:
    """Returns the lengths of rendered pairs, in their order.

    Columns (Int64, tokens):
        prompt, chosen, rejected: of each part.
        same_start: tokens at the start of chosen that rejected starts with, too.
        same_end: tokens at the end of chosen that rejected ends with, too.

    Args:
        table: rendered pairs, not truncated (schema `prefdata.tokens.render.TOKENS`).
    """
    import polars as pl

    chosen, rejected = _column(table, "chosen_ids"), _column(table, "rejected_ids")
    columns = {
        "prompt": np.diff(_column(table, "prompt_ids").offsets),
        "chosen": np.diff(chosen.offsets),
        "rejected": np.diff(rejected.offsets),
        "same_start": _same(chosen, rejected, from_end=False),
        "same_end": _same(chosen, rejected, from_end=True),
    }
    return pl.DataFrame(
        {name: pl.Series(values, dtype=pl.Int64) for name, values in columns.items()}
    )


class _Lists(NamedTuple):
    """Item i is values[offsets[i]:offsets[i + 1]]."""

    values: NDArray[np.int32]
    offsets: Ints


def _column(table: pa.Table, name: str) -> _Lists:
    array = table[name].combine_chunks()
    return _Lists(array.values.to_numpy(), array.offsets.to_numpy().astype(np.int64))


def _same(a: _Lists, b: _Lists, *, from_end: bool) -> Ints:
    """Returns (P,) how many tokens two lists share from their start, or from their end."""
    shorter = np.minimum(np.diff(a.offsets), np.diff(b.offsets))
    starts = np.concatenate([[0], np.cumsum(shorter)])
    step = np.arange(starts[-1]) - np.repeat(starts[:-1], shorter)
    if from_end:
        left, right = (np.repeat(lists.offsets[1:] - 1, shorter) - step for lists in (a, b))
    else:
        left, right = (np.repeat(lists.offsets[:-1], shorter) + step for lists in (a, b))
    different = np.append(np.flatnonzero(a.values[left] != b.values[right]), starts[-1])
    first = different[np.searchsorted(different, starts[:-1])]
    same: Ints = np.minimum(first - starts[:-1], shorter)
    return same


def length_table(
    lengths: pl.DataFrame,
    max_lengths: Sequence[int],
    truncation: Truncation = "keep_start",
    *,
    by: str | None = None,
) -> pl.DataFrame:
    """Returns one row for each max_length, and under it one for each value of the column `by`.

    Columns:
        max_length (Int64): tokens of prompt + completion.
        the column `by`, if there is one; null in the row of all pairs.
        pairs (Int64): all of them.
        too_long (Int64): pairs of which a side has more tokens; with `drop` they are not trained on.
        chosen_cut, rejected_cut (Int64): completions that lose tokens; 0 with `drop`.
        emptied (Int64): pairs with a completion that has tokens before the cut and none after it.
        identical (Int64): pairs whose sides differ before the cut and are the same after it.
        prompt_tokens, chosen_tokens, rejected_tokens (Int64): left after the cut.
        tokens (Int64): what is read where each side is read with its prompt.

    Args:
        lengths: from `pair_lengths`; further columns are kept out of it but for `by`.
        max_lengths: at least 2 each.
        truncation: as for `prefdata.tokens.truncate`. TRL cuts with `keep_start`.
        by: a column of `lengths` to count by.
    """
    import polars as pl

    groups = [by] if by else []
    counted = []
    for max_length in max_lengths:
        after = _after(lengths, max_length, truncation)
        parts = [
            after.select(*_counts()).with_columns(pl.lit(None, pl.String).alias(g) for g in groups)
        ]
        if by:
            parts.append(after.group_by(by).agg(*_counts()).sort(by))
        counted += [
            part.select(pl.lit(max_length, pl.Int64).alias("max_length"), *groups, *COUNTS)
            for part in parts
        ]
    return pl.concat(counted)


COUNTS = (
    *("pairs", "too_long", "chosen_cut", "rejected_cut", "emptied", "identical"),
    *("prompt_tokens", "chosen_tokens", "rejected_tokens", "tokens"),
)


def _after(lengths: pl.DataFrame, max_length: int, truncation: Truncation) -> pl.DataFrame:
    """Returns `lengths` with what is left of each part: `p`, `c` and `r`, all 0 where dropped."""
    import polars as pl

    prompt, chosen, rejected = (pl.col(name) for name in ("prompt", "chosen", "rejected"))
    too_long = prompt + pl.max_horizontal(chosen, rejected) > max_length
    if truncation == "drop":
        kept = (~too_long).cast(pl.Int64)
        left = {"p": prompt * kept, "c": chosen * kept, "r": rejected * kept}
    elif truncation == "keep_start":
        p = pl.min_horizontal(prompt, max_length)
        left = {"p": p} | _sides(max_length - p)
    else:
        sides = _sides(max_length - pl.min_horizontal(prompt, 1))
        left = {
            "p": pl.min_horizontal(prompt, max_length - pl.max_horizontal(*sides.values()))
        } | sides
    return lengths.with_columns(
        too_long=too_long,
        cut=pl.lit(truncation != "drop"),
        same=pl.col("same_end" if truncation == "keep_end" else "same_start"),
        **left,
    )


def _sides(room: pl.Expr) -> dict[str, pl.Expr]:
    import polars as pl

    return {
        "c": pl.min_horizontal("chosen", room),
        "r": pl.min_horizontal("rejected", room),
    }


def _counts() -> list[pl.Expr]:
    """Returns the columns `COUNTS` of a frame from `_after`."""
    import polars as pl

    c, r = pl.col("c"), pl.col("r")
    cut = pl.col("cut")
    emptied = ((pl.col("chosen") > 0) & (c == 0)) | ((pl.col("rejected") > 0) & (r == 0))
    differed = (pl.col("chosen") != pl.col("rejected")) | (pl.col("same_start") < pl.col("chosen"))
    identical = (c == r) & (pl.col("same") >= c) & differed
    tokens = 2 * pl.col("p") + c + r
    return [
        pl.len().cast(pl.Int64).alias("pairs"),
        pl.col("too_long").sum().cast(pl.Int64),
        (cut & (c < pl.col("chosen"))).sum().cast(pl.Int64).alias("chosen_cut"),
        (cut & (r < pl.col("rejected"))).sum().cast(pl.Int64).alias("rejected_cut"),
        (cut & emptied).sum().cast(pl.Int64).alias("emptied"),
        (cut & identical).sum().cast(pl.Int64).alias("identical"),
        pl.col("p").sum().alias("prompt_tokens"),
        c.sum().alias("chosen_tokens"),
        r.sum().alias("rejected_tokens"),
        tokens.sum().alias("tokens"),
    ]


def longest_side(lengths: pl.DataFrame) -> pl.Series:
    """Returns (P,) tokens of prompt + the longer completion: the least max_length that cuts nothing."""
    import polars as pl

    longest = pl.col("prompt") + pl.max_horizontal("chosen", "rejected")
    return lengths.select(longest.alias("longest"))["longest"]


def recommend(lengths: pl.DataFrame, share: float) -> Recommended:
    """Returns the smallest max_length that cuts fewer than `share` of the pairs.

    Args:
        lengths: from `pair_lengths`, at least one pair.
        share: above 0, at most 1.

    >>> import polars as pl
    >>> some = pl.DataFrame({"prompt": [10, 10, 10], "chosen": [5, 50, 90], "rejected": [5, 5, 5]})
    >>> recommend(some, 0.5)
    Recommended(exact=60, rounded=64)
    """
    ordered = longest_side(lengths).sort()
    may_be_cut = int(np.ceil(share * len(ordered))) - 1
    exact = max(int(ordered[len(ordered) - 1 - may_be_cut]), 2)
    return Recommended(exact, -(-exact // ROUND_TO) * ROUND_TO)


def offered(lengths: pl.DataFrame) -> list[int]:
    """Returns powers of two from 256 tokens to the first that cuts nothing."""
    longest = int(longest_side(lengths).max() or 0)  # type: ignore[arg-type]
    sizes = [_FEWEST]
    while sizes[-1] < min(longest, _MOST):
        sizes.append(2 * sizes[-1])
    return sizes
