"""Runs rules over a set of pairs: never raises on data, never changes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, get_args

import msgspec
import polars as pl
from msgspec import Struct

from prefdata.checks import (
    RULES,
    Bound,
    DatasetRule,
    Evidence,
    RowRule,
    Rule,
    SetRule,
    arguments,
    broken_rows,
    find_rule,
    found_rows,
    indexed,
    matching,
)
from prefdata.config import RuleSettings
from prefdata.errors import ConfigError, FormatError
from prefdata.frame import PAIRS
from prefdata.registry import did_you_mean
from prefdata.types import Level, Origin

if TYPE_CHECKING:
    from prefdata.checks import Benchmark, Estimate, Provenance

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


class SetAside(Protocol):
    """A row that a reader quarantined under a rule."""

    @property
    def origin(self) -> Origin:
        """Where the row stands."""

    @property
    def rule(self) -> str:
        """Name of the rule it breaks."""

    @property
    def path(self) -> str:
        """JSON path of the offending value; `$` for the whole record."""

    @property
    def message(self) -> str:
        """What is wrong with it."""


class RuleCount(Struct, frozen=True):
    """How often a rule was broken, in a run that looked for it."""

    code: str
    name: str
    level: Level
    count: int


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

    def reach(self, level: Level) -> bool:
        """Tells whether any finding is at least as grave as `level`."""
        return any(LEVELS.index(rule.level) <= LEVELS.index(level) for rule in self.broken)


def check(
    pairs: pl.DataFrame, *, select: Iterable[str] | None = None, ignore: Iterable[str] = ()
) -> Findings:
    """Returns what the rules find in canonical pairs, with every setting at its default.

    Args:
        pairs: canonical columns, as `prefdata.read_pairs` returns them.
        select: rules to run, by name, code or family (`PD2`); all if None.
        ignore: rules to leave out.

    Raises:
        PrefError: a rule does not exist, or the frame lacks canonical columns.
    """
    return lint(pairs, select=select, ignore=ignore)


def lint(
    pairs: pl.DataFrame,
    *,
    select: Iterable[str] | None = None,
    ignore: Iterable[str] = (),
    settings: Mapping[str, RuleSettings] | None = None,
    quarantine: Sequence[SetAside] = (),
    ties: pl.DataFrame | None = None,
    against: pl.DataFrame | None = None,
    tokens: pl.DataFrame | None = None,
    benchmarks: tuple[Benchmark, ...] | None = None,
    provenance: tuple[Provenance, ...] | None = None,
) -> Findings:
    """Returns what the selected rules find.

    Args:
        pairs: canonical columns; others are ignored.
        select: rules to run, by name, code or family (`PD2`); all if None.
        ignore: rules to leave out, likewise.
        settings: rule name -> level and limits.
        quarantine: rows that the reader set aside; each is a finding of its rule.
        ties: pairs of equal completions, for rules about labels.
        against: the other split, for rules that compare two sets.
        tokens: `prefdata.tokens.token_facts` of the same pairs in the same order, for token rules.
        benchmarks: evaluation sets that the pairs must not contain.
        provenance: where the set comes from.

    Raises:
        PrefError: a rule does not exist, or the frame lacks canonical columns.
    """
    rules = _selected(select, ignore)
    policy = _Policy(settings or {}, pairs.height, len(quarantine))
    _require_canonical(pairs)
    evidence = Evidence(
        pairs=indexed(pairs),
        ties=ties,
        against=against,
        tokens=tokens,
        benchmarks=benchmarks,
        provenance=provenance,
    )
    found = _located(_run(rules, evidence, policy), evidence)
    set_aside = _quarantined(quarantine)
    counts, frames = [], []
    for rule in sorted(rules, key=lambda rule: rule.code):
        if rule.needs and getattr(evidence, rule.needs) is None:
            continue
        parts = [part[rule.name] for part in (set_aside, found) if rule.name in part]
        count = sum(part.height for part in parts)
        level = policy.level(rule, count)
        counts.append(RuleCount(rule.code, rule.name, level, count))
        frames += [_labelled(part, rule, level) for part in parts]
    frame = pl.concat([pl.DataFrame(schema=SCHEMA), *frames]).sort(
        "code", "source", "file", "row", "id", "message", nulls_last=True
    )
    return Findings(frame, tuple(counts), pairs.height, len(quarantine))


def _selected(select: Iterable[str] | None, ignore: Iterable[str]) -> list[Rule]:
    names = set(RULES.names()) if select is None else matching(select)
    names -= matching(ignore)
    return [rule for rule in RULES if rule.name in names]


class _Policy:
    """What the settings make of a rule: its limit, and its level at a number of findings.

    Attributes:
        options: rule name -> its own settings, where any are given.
    """

    def __init__(self, settings: Mapping[str, RuleSettings], pairs: int, quarantined: int) -> None:
        found = {word: find_rule(word) for word in settings}
        self._settings = {found[word].name: value for word, value in settings.items()}
        self._pairs, self._quarantined = pairs, quarantined
        self.options = _own_settings(found, settings)

    def limit(self, rule: DatasetRule) -> float:
        """Returns the limit of a dataset rule."""
        given = self._of(rule)
        limit = given.max if rule.bound == "max" else given.min
        return rule.limit if limit is None else limit

    def level(self, rule: Rule, count: int) -> Level:
        """Returns the level of a rule; findings within its `max_rate` are only information."""
        settings = self._of(rule)
        total = self._pairs + (self._quarantined if rule.kind == "read" else 0)
        if settings.max_rate is not None and count <= settings.max_rate * total:
            return "info"
        return settings.level or rule.level

    def _of(self, rule: Rule) -> RuleSettings:
        return self._settings.get(rule.name, RuleSettings())


def _own_settings(
    rules: Mapping[str, Rule], settings: Mapping[str, RuleSettings]
) -> dict[str, Struct]:
    """Returns rule name -> the settings that only this rule has.

    Raises:
        ConfigError: a key is unknown, or its value is of the wrong type; all such are listed.
    """
    found, problems = {}, []
    for word, rule in rules.items():
        given = settings[word].model_extra or {}
        known = rule.settings.__struct_fields__ if rule.settings else ()
        common = [*RuleSettings.model_fields]
        for key in given:
            if key not in known:
                hint = did_you_mean(key, [*common, *known])
                remedy = hint or "known: " + ", ".join([*common, *known])
                problems.append(f"rules.{word}.{key}: unknown key; {remedy}")
        if rule.settings and given:
            try:
                own = {key: value for key, value in given.items() if key in known}
                found[rule.name] = msgspec.convert(own, rule.settings)
            except msgspec.ValidationError as error:
                problems.append(f"rules.{word}: {error}")
    if problems:
        raise ConfigError(problems, source="the settings")
    return found


def _require_canonical(pairs: pl.DataFrame) -> None:
    missing = [name for name in PAIRS.names if name not in pairs.columns]
    if missing:
        raise FormatError(
            f"not a frame of canonical pairs: it has no column {', '.join(missing)}",
            hint="prefdata.convert(source).pairs and prefdata.read_pairs(path) return one",
        )


def _run(rules: list[Rule], evidence: Evidence, policy: _Policy) -> dict[str, pl.DataFrame]:
    """Returns rule name -> rows with `index` (null for the whole set), `message` and `value`."""
    settings = policy.options
    row_rules = [rule for rule in rules if isinstance(rule, RowRule)]
    found = broken_rows([r for r in row_rules if r.kind == "row"], evidence.pairs, settings)
    if evidence.tokens is not None:
        with_tokens = evidence.pairs.hstack(evidence.tokens.drop("id"))
        found |= broken_rows([r for r in row_rules if r.kind == "token"], with_tokens, settings)
    for rule in rules:
        if rule.needs and getattr(evidence, rule.needs) is None:
            continue
        if isinstance(rule, SetRule):
            found[rule.name] = found_rows(rule, evidence, settings)
        elif isinstance(rule, DatasetRule):
            estimate = rule.estimate(evidence, *arguments(rule, settings))
            found[rule.name] = _beyond(estimate, policy.limit(rule), rule.bound)
    return found


def _beyond(estimate: Estimate | None, limit: float, bound: Bound) -> pl.DataFrame:
    schema = {"index": pl.UInt32, "message": pl.String, "value": pl.Float64}
    if estimate is None or not _is_beyond(estimate, limit, bound):
        return pl.DataFrame(schema=schema)
    message = _sentence(estimate, limit)
    row = {"index": None, "message": message, "value": estimate.value}
    return pl.DataFrame([row], schema=schema)


def _is_beyond(estimate: Estimate, limit: float, bound: Bound) -> bool:
    return estimate.low > limit if bound == "max" else estimate.high < limit


def _sentence(estimate: Estimate, limit: float) -> str:
    value, low, high, message, percent = estimate
    if percent:
        interval = f"(95 % CI {100 * low:.1f} to {100 * high:.1f}; limit {limit:.0%})"
        return f"{message.format(f'{value:.1%}')} {interval}"
    interval = f"(95 % CI {low:.3g} to {high:.3g}; limit {limit:.3g})"
    return f"{message.format(f'{value:.3g}')} {interval}"


def _located(found: dict[str, pl.DataFrame], evidence: Evidence) -> dict[str, pl.DataFrame]:
    """Adds id and origin to the rows that rules returned."""
    places = evidence.pairs.select("index", "id", "source", "file", "row")
    whole = pl.lit(None, pl.Float64).alias("value")
    return {
        name: (rows if "value" in rows.columns else rows.with_columns(whole)).join(
            places, on="index", how="left"
        )
        for name, rows in found.items()
    }


def _quarantined(quarantine: Sequence[SetAside]) -> dict[str, pl.DataFrame]:
    rows: dict[str, list[dict[str, object]]] = {}
    for entry in quarantine:
        origin = entry.origin
        place = {"source": origin.source, "file": origin.file, "row": origin.row}
        where = "" if entry.path == "$" else f"{entry.path}: "
        rows.setdefault(entry.rule, []).append({**place, "message": where + entry.message})
    return {name: pl.DataFrame(found, schema=SCHEMA) for name, found in rows.items()}


def _labelled(rows: pl.DataFrame, rule: Rule, level: Level) -> pl.DataFrame:
    facts = {"code": rule.code, "name": rule.name, "level": level}
    return rows.with_columns(**{key: pl.lit(value) for key, value in facts.items()}).select(
        pl.col(name).cast(kind) for name, kind in SCHEMA.items()
    )
