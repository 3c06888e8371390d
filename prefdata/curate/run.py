"""Runs a plan: every pair is kept, or removed with one reason; nothing in a pair is changed."""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from prefdata.curate.keys import ORDER, PLACE
from prefdata.curate.plan import Plan
from prefdata.curate.step import Keys, Step


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
    """Why each pair goes, and the plan that said so.

    Attributes:
        reasons: one text a pair, in the order of the pairs; null where it stays.
        plan: with the thresholds that were worked out.
    """

    reasons: pl.Series
    plan: Plan


def curate(pairs: pl.DataFrame, plan: Plan) -> Curated:
    """Applies the steps of a plan one after the other, each to what those before it have kept.

    Args:
        pairs: canonical columns; others are kept, and steps may decide by them.
        plan: the steps.

    Raises:
        InputError: the set lacks a score that a step decides by.
        PrefError: a rule that `fix` names does not exist or has no fix.
    """
    verdict = judge(side_car(pairs, plan), plan)
    reason = verdict.reasons.alias("reason")
    removed = pairs.with_columns(reason).filter(reason.is_not_null())
    return Curated(pairs.filter(reason.is_null()), removed, verdict.plan)


def side_car(pairs: pl.DataFrame, plan: Plan) -> pl.DataFrame:
    """Returns what the steps decide by: one row a pair, in their order, no text."""
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
    left = keys.with_row_index("index").sort(ORDER)
    gone = [pl.DataFrame(schema={"index": pl.UInt32, "reason": pl.String})]
    settled: list[Step] = []
    for step in plan.steps:
        settled.append(step.settled(left) if left.height else step)
        left = _apply(settled[-1], left, gone)
    unstable = [step for step in settled if not step.lasting]
    before = -1
    while unstable and left.height != before:
        before = left.height
        for step in unstable:
            left = _apply(step, left, gone)
    everything = pl.select(index=pl.int_range(keys.height, dtype=pl.UInt32))
    reasons = everything.join(pl.concat(gone), on="index", how="left", maintain_order="left")
    return Verdict(reasons["reason"], Plan(steps=tuple(settled)))


def _apply(step: Step, keys: pl.DataFrame, gone: list[pl.DataFrame]) -> pl.DataFrame:
    """Returns the rows that a step keeps, and adds the others to `gone`."""
    if keys.is_empty():
        return keys
    reasons = step.reasons(keys).alias("reason")
    gone.append(keys.select("index", reasons).filter(reasons.is_not_null()))
    return keys.filter(reasons.is_null())
