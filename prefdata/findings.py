"""What a run of the rules found: one row a finding, and one record a rule."""

from __future__ import annotations

from typing import get_args

import polars as pl
from msgspec import Struct

from prefdata.checks import Bound, Kind
from prefdata.types import Level

SCHEMA = pl.Schema(
    {
        "code": pl.String,
        "name": pl.String,
        "level": pl.String,
        "id": pl.String,
        "source": pl.String,
        "file": pl.String,
        "row": pl.Int64,
        "message": pl.String,
        "value": pl.Float64,
    }
)
LEVELS: tuple[Level, ...] = get_args(Level)


class Measured(Struct, frozen=True):
    """The number that a dataset rule is about, whether or not it is beyond its limit.

    Attributes:
        value: the number.
        low: lower end of its 95 % interval.
        high: upper end.
        limit: what the whole interval must not lie beyond.
        bound: whether the limit is the most or the least that is right.
        message: the sentence that says it.
    """

    value: float
    low: float
    high: float
    limit: float
    bound: Bound
    message: str


class RuleCount(Struct, frozen=True):
    """How often a rule was broken, in a run that looked for it.

    Attributes:
        code: of the rule.
        name: of the rule.
        level: of its findings, the settings and their number considered.
        count: findings.
        kind: of the rule.
        of: rows that it looked at.
        known: findings left out because a baseline has them.
        measured: the number that a dataset rule is about; None where it could not be measured.
    """

    code: str
    name: str
    level: Level
    count: int
    kind: Kind
    of: int
    known: int = 0
    measured: Measured | None = None

    @property
    def rate(self) -> float:
        """Returns the share of rows that break the rule; 0 of none."""
        return self.count / self.of if self.of else 0.0


class Findings(Struct, frozen=True):
    """What a run found.

    Attributes:
        frame: one row a finding, columns as in `SCHEMA`, sorted by rule, place and id.
        rules: every rule that ran, also those that found nothing, by code.
        pairs: pairs looked at.
        quarantined: rows that never became pairs.
    """

    frame: pl.DataFrame
    rules: tuple[RuleCount, ...]
    pairs: int
    quarantined: int

    @property
    def broken(self) -> tuple[RuleCount, ...]:
        """Returns the rules that found something."""
        return tuple(rule for rule in self.rules if rule.count)

    @property
    def known(self) -> int:
        """Returns the number of findings left out because a baseline has them."""
        return sum(rule.known for rule in self.rules)

    def reach(self, level: Level) -> bool:
        """Tells whether any finding is at least as grave as `level`."""
        return any(reaches(rule.level, level) for rule in self.broken)

    def of(self, name: str) -> pl.DataFrame:
        """Returns the findings of one rule, in order."""
        return self.frame.filter(self.frame["name"] == name)


def reaches(level: Level, threshold: Level) -> bool:
    """Tells whether `level` is at least as grave as `threshold`."""
    return LEVELS.index(level) <= LEVELS.index(threshold)
