"""Removes the pairs that break rules whose fix is to drop them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import polars as pl

from prefdata.checks import RULES, SAFE_DROP, Evidence, Rule, found_rows, indexed, matching
from prefdata.errors import PrefError


class Curated(NamedTuple):
    """A set in two parts; together they are the set that went in.

    Attributes:
        kept: the pairs that stay, in their order.
        removed: the others, with the column `reason`, a rule's name.
    """

    kept: pl.DataFrame
    removed: pl.DataFrame


def droppers(select: Iterable[str] | None = None) -> list[Rule]:
    """Returns the rules that drop pairs, by code: those named, or all whose fix is safe.

    Raises:
        PrefError: a named rule does not exist or has no fix.
    """
    if select is None:
        rules = [rule for rule in RULES if rule.fix == SAFE_DROP]
    else:
        names = matching(select)
        rules = [rule for rule in RULES if rule.name in names]
    for rule in rules:
        if rule.fix is None or rule.needs:
            known = ", ".join(other.name for other in RULES if other.fix and not other.needs)
            raise PrefError(
                f"{rule.name} has no fix that curate can do", hint=f"these have: {known}"
            )
    return sorted(rules, key=lambda rule: rule.code)


def curate(pairs: pl.DataFrame, select: Iterable[str] | None = None) -> Curated:
    """Removes the pairs that break the selected rules; a second time it removes nothing.

    Rules apply one after the other, each to what the ones before it have kept, so every removed
    pair has one reason and the first of two duplicates is one that stays.

    Args:
        pairs: canonical columns; others are kept.
        select: names, codes or families of rules with a fix; all with a safe fix if None.

    Raises:
        PrefError: a named rule does not exist or has no fix.
    """
    kept, removed = pairs, []
    for rule in droppers(select):
        found = found_rows(rule, Evidence(pairs=indexed(kept)))
        breaks = pl.int_range(pl.len()).is_in(found["index"].implode())
        removed.append(kept.filter(breaks).with_columns(reason=pl.lit(rule.name)))
        kept = kept.filter(~breaks)
    nothing = pairs.clear().with_columns(reason=pl.lit("", pl.String))
    return Curated(kept, pl.concat([nothing, *removed]))
