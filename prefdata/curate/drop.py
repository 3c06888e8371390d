"""Removes the pairs that break rules whose fix is to drop them."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from prefdata.curate import run
from prefdata.curate.plan import Plan
from prefdata.curate.steps.fix import Fix


def curate(pairs: pl.DataFrame, select: Iterable[str] | None = None) -> run.Curated:
    """Runs the plan of one step, `fix`; a second time it removes nothing.

    Rules apply one after the other, each to what the ones before it have kept, so every removed
    pair has one reason and the first of two duplicates is one that stays.

    Args:
        pairs: canonical columns; others are kept.
        select: names, codes or families of rules with a fix; all with a safe fix if None.

    Raises:
        PrefError: a named rule does not exist or has no fix.
    """
    return run.curate(pairs, Plan(steps=(Fix(rules=None if select is None else tuple(select)),)))
