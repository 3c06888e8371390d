"""Runs rules over a set of pairs: never raises on data, never changes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import polars as pl

from prefdata.checks import (
    RULES,
    DatasetRule,
    Evidence,
    RowRule,
    Rule,
    SetRule,
    arguments,
    broken_rows,
    found_rows,
    indexed,
    matching,
)
from prefdata.config import RuleSettings, rule_settings
from prefdata.errors import FormatError
from prefdata.findings import SCHEMA, Findings, Measured, RuleCount
from prefdata.frame import PAIRS
from prefdata.policy import Policy
from prefdata.types import Level, Origin

if TYPE_CHECKING:
    from prefdata.checks import Benchmark, Estimate, Provenance

__all__ = ["SCHEMA", "Findings", "RuleCount", "SetAside", "check", "examine", "lint"]


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


def check(
    pairs: pl.DataFrame,
    *,
    select: Iterable[str] | None = None,
    ignore: Iterable[str] = (),
    settings: Mapping[str, RuleSettings | Mapping[str, Any]] | None = None,
    ties: pl.DataFrame | None = None,
    against: pl.DataFrame | None = None,
    benchmarks: Sequence[Benchmark] = (),
    scores: pl.DataFrame | None = None,
) -> Findings:
    """Returns what the rules find in canonical pairs.

    Args:
        pairs: canonical columns, as `prefdata.read_pairs` returns them.
        select: rules to run, by name, code or family (`PD2`); all if None.
        ignore: rules to leave out.
        settings: rule name or code -> what `[tool.prefdata.rules]` takes for it.
        ties: pairs of completions that were found equal, as in `prefdata.convert(...).ties`.
        against: the other split, for rules that compare two sets.
        benchmarks: evaluation sets that the pairs must not contain; see
            `prefdata.surroundings.read_benchmark`.
        scores: what trained models say about the pairs; see `prefdata.scores.read_scores`.

    Raises:
        PrefError: a rule does not exist, a setting is wrong, or the frame lacks canonical columns.

    Examples:
        >>> from prefdata.frame import pairs_table, to_polars
        >>> from prefdata.types import Message, Origin, Pair
        >>> asked, said = (Message("user", "Name a colour."),), (Message("assistant", "Blue."),)
        >>> twins = Pair(prompt=asked, chosen=said, rejected=said, origin=Origin("s", "s.jsonl", 7))
        >>> findings = check(to_polars(pairs_table([twins])), select=["PD2"])
        >>> findings.frame.select("name", "level", "file", "row").row(0)
        ('identical-pair', 'error', 's.jsonl', 7)
        >>> [(rule.name, rule.count, rule.rate) for rule in findings.broken]
        [('identical-pair', 1, 1.0)]
        >>> findings.reach("warning")
        True
    """
    return lint(
        pairs,
        select=select,
        ignore=ignore,
        settings=rule_settings(settings or {}),
        ties=ties,
        against=against,
        benchmarks=tuple(benchmarks) or None,
        scores=scores,
    )


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
    scores: pl.DataFrame | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Findings:
    """Returns what the selected rules find.

    Args:
        pairs: canonical columns; others are ignored.
        select: rules to run, by name, code or family (`PD2`); all if None.
        ignore: rules to leave out, likewise.
        settings: rule name or code -> level, limits and what else can be set of it.
        quarantine: rows that the reader set aside; each is a finding of its rule.
        ties: pairs of equal completions, for rules about labels.
        against: the other split, for rules that compare two sets.
        tokens: `prefdata.tokens.token_facts` of the same pairs in the same order, for token rules.
        benchmarks: evaluation sets that the pairs must not contain.
        provenance: where the set comes from.
        scores: what trained models say about the pairs, for rules about learning.
        progress: called with the name of each rule before it runs.

    Raises:
        PrefError: a rule does not exist, or the frame lacks canonical columns.
        ConfigError: a setting is wrong; all such are listed.
    """
    _require_canonical(pairs)
    evidence = Evidence(
        pairs=indexed(pairs),
        ties=ties,
        against=against,
        tokens=tokens,
        benchmarks=benchmarks,
        provenance=provenance,
        scores=scores,
    )
    return examine(
        evidence,
        select=select,
        ignore=ignore,
        settings=settings,
        quarantine=quarantine,
        progress=progress,
    )


def examine(
    evidence: Evidence,
    *,
    select: Iterable[str] | None = None,
    ignore: Iterable[str] = (),
    settings: Mapping[str, RuleSettings] | None = None,
    quarantine: Sequence[SetAside] = (),
    progress: Callable[[str], None] = lambda _: None,
) -> Findings:
    """Returns what the selected rules find in the evidence, which keeps what they have measured.

    The other arguments and the errors are those of `lint`.
    """
    pairs = evidence.pairs
    selected = _selected(select, ignore)
    policy = Policy(settings or {}, pairs.height, len(quarantine))
    rules = [rule for rule in selected if _is_there(evidence, rule)]
    found, measured = _run(rules, evidence, policy, progress)
    located, set_aside = _located(found, evidence), _quarantined(quarantine)
    counts, frames = [], []
    for rule in sorted(rules, key=lambda rule: rule.code):
        parts = [part[rule.name] for part in (set_aside, located) if rule.name in part]
        count, aside = sum(part.height for part in parts), set_aside.get(rule.name, pl.DataFrame())
        level = policy.level(rule, count)
        counts.append(
            RuleCount(
                rule.code,
                rule.name,
                level,
                count,
                kind=rule.kind,
                of=policy.rows(rule) + (aside.height if rule.kind != "read" else 0),
                measured=measured.get(rule.name),
            )
        )
        frames += [_labelled(part, rule, level) for part in parts]
    frame = pl.concat([pl.DataFrame(schema=SCHEMA), *frames]).sort(
        "code", "source", "file", "row", "id", "message", nulls_last=True
    )
    return Findings(frame, tuple(counts), pairs.height, len(quarantine))


def _selected(select: Iterable[str] | None, ignore: Iterable[str]) -> list[Rule]:
    names = set(RULES.names()) if select is None else matching(select)
    names -= matching(ignore)
    return [rule for rule in RULES if rule.name in names]


def _is_there(evidence: Evidence, rule: Rule) -> bool:
    return rule.needs is None or getattr(evidence, rule.needs) is not None


def _require_canonical(pairs: pl.DataFrame) -> None:
    missing = [name for name in PAIRS.names if name not in pairs.columns]
    if missing:
        raise FormatError(
            f"not a frame of canonical pairs: it has no column {', '.join(missing)}",
            hint="prefdata.convert(source).pairs and prefdata.read_pairs(path) return one",
        )


class _Ran(NamedTuple):
    """Rule name -> rows with `index` (null for the whole set), `message`, `value`; and its number."""

    found: dict[str, pl.DataFrame]
    measured: dict[str, Measured]


def _run(
    rules: list[Rule], evidence: Evidence, policy: Policy, progress: Callable[[str], None]
) -> _Ran:
    settings = policy.options
    row_rules = [rule for rule in rules if isinstance(rule, RowRule)]
    progress("all row rules")
    found = broken_rows([r for r in row_rules if r.kind == "row"], evidence.pairs, settings)
    if evidence.tokens is not None:
        with_tokens = evidence.pairs.hstack(evidence.tokens.drop("id"))
        found |= broken_rows([r for r in row_rules if r.kind == "token"], with_tokens, settings)
    measured = {}
    for rule in rules:
        if isinstance(rule, SetRule):
            progress(rule.name)
            found[rule.name] = found_rows(rule, evidence, settings)
        elif isinstance(rule, DatasetRule):
            progress(rule.name)
            estimate = rule.estimate(evidence, *arguments(rule, settings))
            if estimate is not None:
                measured[rule.name] = _measured(estimate, policy.limit(rule), rule)
                found[rule.name] = _beyond(measured[rule.name])
    return _Ran(found, measured)


def _measured(estimate: Estimate, limit: float, rule: DatasetRule) -> Measured:
    value, low, high, _, _ = estimate
    return Measured(value, low, high, limit, rule.bound, _sentence(estimate, limit))


def _beyond(measured: Measured) -> pl.DataFrame:
    schema = {"index": pl.UInt32, "message": pl.String, "value": pl.Float64}
    row = {"index": None, "message": measured.message, "value": measured.value}
    return pl.DataFrame([row] if _is_beyond(measured) else [], schema=schema)


def _is_beyond(measured: Measured) -> bool:
    if measured.bound == "max":
        return measured.low > measured.limit
    return measured.high < measured.limit


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
