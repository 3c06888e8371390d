"""Sets into one, each with a share of its rows, characters or tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
import xxhash

from prefdata.errors import InputError

Amounts = npt.NDArray[np.float64]


class Share(NamedTuple):
    """What a set gave.

    Attributes:
        taken: rows of the set, in their order; a row that was repeated is there several times.
        amount: what they come to, in the unit of the mix.
        used: how many different rows of the set they are.
    """

    taken: pl.DataFrame
    amount: float
    used: int


def mix(
    sets: Sequence[pl.DataFrame],
    weights: Sequence[float],
    amounts: Sequence[Amounts],
    *,
    size: float | None = None,
    repeat: bool = False,
    seed: int = 0,
) -> list[Share]:
    """Returns what each set gives so that their amounts are as the weights.

    Rows are taken in the order of xxh3_64(id, seed) until they reach the amount, so the result
    depends on neither the order of rows nor the machine; a set gives one row too much or too little
    at most.

    Args:
        sets: canonical pairs each.
        weights: > 0, for each set; only their ratios count.
        amounts: for each set (rows,): 1, or the characters or tokens of the row.
        size: of the whole mix, in the unit of the amounts; by default as much as the set that runs
            out first allows, or with `repeat` as much as all sets hold together.
        repeat: whether a set that is too small is taken more than once.
        seed: another seed, other rows.

    Raises:
        InputError: a set is empty, or too small for `size` and not to be repeated.
    """
    whole = sum(weights)
    shares = [weight / whole for weight in weights]
    held = [float(amount.sum()) for amount in amounts]
    if not all(held):
        raise InputError(f"set {held.index(0.0) + 1} is empty", hint="leave it out of the mix")
    if size is None:
        most = [have / share for have, share in zip(held, shares, strict=True)]
        size = sum(held) if repeat else min(most)
    wanted = [share * size for share in shares]
    for number, (want, have) in enumerate(zip(wanted, held, strict=True), 1):
        if want > have * (1 + 1e-9) and not repeat:
            raise InputError(
                f"set {number} holds {have:,.0f} and would have to give {want:,.0f}",
                hint="ask for a smaller --size, or take rows more than once with --repeat",
            )
    return [_take(*one, seed) for one in zip(sets, amounts, wanted, strict=True)]


def _take(pairs: pl.DataFrame, amounts: Amounts, wanted: float, seed: int) -> Share:
    times, rest = divmod(wanted, amounts.sum())
    if amounts.sum() - rest < 1e-9 * amounts.sum():
        times, rest = times + 1, 0.0
    draws = [xxhash.xxh3_64_intdigest(one.encode(), seed) for one in pairs["id"]]
    places = pairs.select("source", "file", "row").with_columns(
        draw=pl.Series(draws, dtype=pl.UInt64)
    )
    order = places.with_row_index("at").sort("draw", "source", "file", "row")["at"].to_numpy()
    ends = np.cumsum(amounts[order])
    drawn = order[ends - amounts[order] / 2 < rest]
    counts = np.full(pairs.height, int(times))
    counts[drawn] += 1
    rows = np.repeat(np.arange(pairs.height), counts)
    return Share(pairs[rows], float((amounts * counts).sum()), int((counts > 0).sum()))


def repeated_ids(pairs: pl.DataFrame) -> int:
    """Returns how many rows have the id of an earlier one."""
    return int((~pairs["id"].is_first_distinct()).sum())


def characters(pairs: pl.DataFrame) -> Amounts:
    """Returns the characters of prompt, chosen and rejected of each row."""
    from prefdata.expressions import characters as of

    return (
        pairs.select(pl.sum_horizontal(map(of, ("prompt", "chosen", "rejected"))))
        .to_series()
        .to_numpy()
        .astype(np.float64)
    )
