"""Drops the pairs that break rules whose fix is to drop them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import polars as pl

from prefdata.checks import RULES, SAFE_DROP, Evidence, RowRule, Rule, SetRule, matching
from prefdata.curate.step import Keys, Step, step
from prefdata.errors import PrefError
from prefdata.frame import PAIRS

# Set rules that look at the places of pairs alone; the others get to see whole pairs.
_BY_PLACE = frozenset({"duplicate-pair"})


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

    def keys(self, columns: frozenset[str]) -> Keys:
        """Returns whether each row rule is broken, and all that other rules look at."""
        rules = droppers(self.rules)
        found = {_name(r): r.broken(*_settings(r)) for r in rules if isinstance(r, RowRule)}
        if any(isinstance(r, SetRule) and r.name not in _BY_PLACE for r in rules):
            found |= {n: pl.col(n) for n in PAIRS.names if n in columns and n not in _PLACE}
        return found

    def reasons(self, keys: pl.DataFrame) -> pl.Series:
        """Returns the name of the first rule, by code, that a pair breaks."""
        left = keys.with_row_index("__at")
        gone = []
        for rule in droppers(self.rules):
            broken = _broken(rule, left)
            gone.append(left.filter(broken).select("__at", reason=pl.lit(rule.name)))
            left = left.filter(~broken)
        at = pl.select(__at=pl.int_range(keys.height, dtype=pl.UInt32))
        return at.join(pl.concat(gone), on="__at", how="left", maintain_order="left")["reason"]


_PLACE = ("id", "prompt_id", "source", "file", "row")


def _name(rule: Rule) -> str:
    return f"breaks_{rule.name}"


def _settings(rule: Rule) -> tuple[object, ...]:
    return () if rule.settings is None else (rule.settings(),)


def _broken(rule: Rule, keys: pl.DataFrame) -> pl.Series:
    if isinstance(rule, RowRule):
        return keys[_name(rule)].fill_null(value=False)
    if not isinstance(rule, SetRule):
        raise PrefError(f"{rule.name} does not point at rows of a set")
    pairs = keys.drop("__at", "index", strict=False).rechunk().with_row_index("index")
    found = rule.find(Evidence(pairs=pairs), *_settings(rule))
    return pairs.select(pl.int_range(pl.len()).is_in(found["index"].implode())).to_series()


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
