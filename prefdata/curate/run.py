"""Runs a plan: every pair is kept, or removed with one reason; nothing in a pair is changed."""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from prefdata.curate.keys import ORDER, PLACE
from prefdata.curate.plan import Plan
from prefdata.curate.step import Keys, Step
from prefdata.scores import with_columns


class Curated(NamedTuple):
    """A set in two parts; together they are the set that went in.

    Attributes:
        kept: the pairs that stay, in their order.
        removed: the others, with the column `reason`: the name of a rule, or what a step says.
        plan: the plan with the thresholds that were worked out from the set; run again on `kept` it
            removes nothing.
    """

    kept: pl.DataFrame
    removed: pl.DataFrame
    plan: Plan


class Verdict(NamedTuple):
    """Which pairs go and why, and the plan that said so.

    Attributes:
        removed: `index` (u32, ascending), the number of a pair from 0, and its `reason`.
        pairs: how many there were.
        plan: with the thresholds that were worked out.
    """

    removed: pl.DataFrame
    pairs: int
    plan: Plan

    @property
    def reasons(self) -> pl.Series:
        """Returns one text a pair, in the order of the pairs; null where it stays."""
        return self.of(0, self.pairs)

    def of(self, start: int, pairs: int) -> pl.Series:
        """Returns the reasons of some consecutive pairs, from number `start` on."""
        low, high = self.removed["index"].search_sorted(pl.Series([start, start + pairs]), "left")
        here = self.removed.slice(low, high - low)
        reasons = pl.repeat(None, pairs, dtype=pl.String, eager=True).alias("reason")
        return reasons.scatter(here["index"] - start, here["reason"])

    @property
    def counts(self) -> dict[str, int]:
        """Returns how many pairs go for each reason."""
        return dict(self.removed["reason"].value_counts().sort("reason").iter_rows())


def curate(pairs: pl.DataFrame, plan: Plan, scores: pl.DataFrame | None = None) -> Curated:
    """Applies the steps of a plan one after the other, each to what those before it have kept.

    Args:
        pairs: canonical columns; others are kept, and steps may decide by them.
        plan: the steps.
        scores: numbers by pair id, as `prefdata.scores.read_columns` returns them.

    Raises:
        InputError: the set lacks a score that a step decides by.
        PrefError: a rule that `fix` names does not exist or has no fix.
    """
    return divided(pairs, judge(side_car(pairs, plan, scores), plan))


def divided(pairs: pl.DataFrame, verdict: Verdict) -> Curated:
    """Returns what stays and what goes of the pairs that were judged."""
    reason = verdict.reasons.alias("reason")
    removed = pairs.with_columns(reason).filter(reason.is_not_null())
    return Curated(pairs.filter(reason.is_null()), removed, verdict.plan)


def side_car(pairs: pl.DataFrame, plan: Plan, scores: pl.DataFrame | None = None) -> pl.DataFrame:
    """Returns what the steps decide by: one row a pair, in their order, no text.

    Args:
        pairs: canonical columns; others are there for the steps that name them.
        plan: the steps.
        scores: numbers by pair id, as `prefdata.scores.read_columns` returns them.
    """
    if scores is not None:
        pairs = with_columns(pairs, scores)
    columns = frozenset(pairs.columns)
    wanted: Keys = PLACE
    for step in plan.steps:
        wanted = {**wanted, **step.keys(columns)}
    return pairs.lazy().select(expr.alias(name) for name, expr in wanted.items()).collect()


def judge(keys: pl.DataFrame, plan: Plan) -> Verdict:
    """Decides over a side-car; the order of its rows decides nothing.

    A step that balances a set may find it off balance again after a later step, so such steps run
    until none of them has anything to remove. What stays then satisfies every step at once.
    """
    pairs, left = keys.height, keys.with_row_index("index")
    del keys  # as large as what is left of it
    if not _is_in_order(left):
        left = left.sort(ORDER)
    if not any(step.by_place for step in plan.steps):
        left = left.drop(set(PLACE) - {"id"})
    gone = [pl.DataFrame(schema={"index": pl.UInt32, "reason": pl.String})]
    settled: list[Step] = []
    goes = None
    for step in plan.steps:  # what the last step leaves is not copied: nothing looks at it
        left = _without(left, goes)
        settled.append(step.settled(left) if left.height else step)
        goes = _judged(settled[-1], left, gone)
    unstable = [step for step in settled if not step.lasting]
    if unstable:
        _until_stable(unstable, _without(left, goes), gone)
    return Verdict(pl.concat(gone).sort("index"), pairs, Plan(steps=tuple(settled)))


def _until_stable(steps: list[Step], keys: pl.DataFrame, gone: list[pl.DataFrame]) -> None:
    before = -1
    while keys.height != before:
        before = keys.height
        for step in steps:
            keys = _without(keys, _judged(step, keys, gone))


def _is_in_order(keys: pl.DataFrame) -> bool:
    """Tells whether rows are in the order of their places, as they mostly are: a sort copies all."""
    in_order = pl.lit(value=True)
    for name in reversed(ORDER):
        here, before = pl.col(name), pl.col(name).shift()
        in_order = (here > before) | ((here == before) & in_order)
    return bool(keys.lazy().select(in_order.slice(1).fill_null(value=False).all()).collect().item())


def _judged(step: Step, keys: pl.DataFrame, gone: list[pl.DataFrame]) -> pl.Series | None:
    """Returns which rows a step removes, None if none, and adds them to `gone`."""
    if keys.is_empty():
        return None
    reasons = step.reasons(keys).alias("reason")
    goes = reasons.is_not_null()
    if not goes.any():
        return None
    gone.append(keys.select("index", reasons).filter(goes).cast({"reason": pl.String}))
    return goes


def _without(keys: pl.DataFrame, goes: pl.Series | None) -> pl.DataFrame:
    return keys if goes is None else keys.filter(~goes)
