"""Drops the pairs that break rules whose fix is to drop them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import polars as pl

from prefdata.checks import (
    RULES,
    SAFE_DROP,
    Evidence,
    RowRule,
    Rule,
    SetRule,
    arguments,
    matching,
)
from prefdata.curate.keys import PLACE, prompt
from prefdata.curate.step import Keys, Step, step
from prefdata.errors import PrefError
from prefdata.frame import PAIRS
from prefdata.keys import repeated

# A set rule that looks at the ids and places of pairs alone; the others get to see whole pairs.
_BY_PLACE = "duplicate-pair"


@step("fix")
class Fix(Step):
    """Drops the pairs that break rules, each rule among those that the rules before it keep.

    Attributes:
        rules: names, codes or families of rules with a fix; all with a safe fix if None.
    """

    step: Literal["fix"] = "fix"
    rules: tuple[str, ...] | None = None

    @property
    def lasting(self) -> bool:
        """Tells whether all rules look at one pair at a time."""
        return all(isinstance(rule, RowRule) for rule in droppers(self.rules))

    @property
    def by_text(self) -> bool:
        """Tells whether a rule looks at the texts of several pairs."""
        return any(
            isinstance(rule, SetRule) and rule.name != _BY_PLACE for rule in droppers(self.rules)
        )

    @property
    def by_place(self) -> bool:
        """Tells whether a rule looks at more than one pair at a time."""
        return not self.lasting

    def keys(self, columns: frozenset[str]) -> Keys:
        """Returns whether each row rule is broken, and all that other rules look at."""
        rules = droppers(self.rules)
        found = {_name(r): r.broken(*arguments(r)) for r in rules if isinstance(r, RowRule)}
        if self.by_text:
            found |= {n: pl.col(n) for n in PAIRS.names if n in columns and n not in PLACE}
            found |= prompt()
        return found

    def reasons(self, keys: pl.DataFrame) -> pl.Series:
        """Returns the name of the first rule, by code, that a pair breaks."""
        reasons = pl.repeat(None, keys.height, dtype=pl.String, eager=True)
        for rule in droppers(self.rules):
            broken = _broken(rule, keys, reasons.is_null())
            reasons = reasons.scatter(broken, rule.name)
        return reasons


def _name(rule: Rule) -> str:
    return f"breaks_{rule.name}"


def _broken(rule: Rule, keys: pl.DataFrame, left: pl.Series) -> pl.Series:
    """Returns the rows that break a rule, among those that are left."""
    if isinstance(rule, RowRule):
        return (keys[_name(rule)].fill_null(value=False) & left).arg_true()
    if not isinstance(rule, SetRule):
        raise PrefError(f"{rule.name} does not point at rows of a set")
    if rule.name == _BY_PLACE:  # without a copy of all that is left
        left &= repeated(keys["id"].hash())
    rows = left.arg_true()
    pairs = keys[rows].drop("index", strict=False).rechunk().with_row_index("index")
    found = rule.find(Evidence(pairs=pairs), *arguments(rule))
    return rows.gather(found["index"].unique().sort())


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
