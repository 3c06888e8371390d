"""Findings as JSON, all of them; the model is the source of schemas/diagnostic-v1.json."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from prefdata.checks import Bound, Kind, find_rule
from prefdata.render import View, renderer
from prefdata.schema import SCHEMA_VERSION
from prefdata.types import Level

if TYPE_CHECKING:
    from prefdata.findings import Findings, RuleCount


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class MeasuredReport(_Part):
    """The number that a rule about the whole set looks at, whether or not it is beyond its limit."""

    value: float
    low: float = Field(description="lower end of the 95 % interval")
    high: float = Field(description="its upper end")
    limit: float = Field(description="what the whole interval must not lie beyond")
    bound: Bound = Field(description="whether the limit is the most or the least that is right")
    message: str = Field(description="the sentence that says it")


class RuleReport(_Part):
    """A rule that ran and how often it was broken."""

    code: str = Field(pattern="^[A-Z]+[0-9]+$")
    name: str
    level: Level
    count: int = Field(
        ge=0,
        description="pairs or rows concerned: a duplicate counts from the second on, "
        "a contradiction counts every pair in it",
    )
    kind: Kind
    summary: str
    of: int = Field(ge=0, description="rows that it looked at")
    rate: float = Field(ge=0, description="count / of; 0 of none")
    known: int = Field(ge=0, description="findings left out because the baseline has them")
    measured: MeasuredReport | None


class Finding(_Part):
    """One place where a rule is broken; id is null for rows that never became pairs."""

    code: str
    name: str
    level: Level
    id: str | None
    source: str | None = Field(description="null where the finding is about the whole set")
    file: str | None
    row: int | None
    message: str
    value: float | None = Field(description="the number a rule is about, if there is one")


class DiagnosticReport(_Part):
    """What `prefdata check --format json` prints."""

    schema_version: int = SCHEMA_VERSION
    pairs: int = Field(description="pairs looked at")
    quarantined: int = Field(description="rows that could not become pairs")
    known: int = Field(description="findings left out because the baseline has them")
    rules: list[RuleReport] = Field(description="every rule that ran, by code")
    findings: list[Finding] = Field(description="by rule, place and id")


@renderer("json")
def render_json(findings: Findings, view: View) -> Iterator[str]:  # noqa: ARG001 (for people only)
    """Yields one JSON document of the model `DiagnosticReport`."""
    yield report(findings).model_dump_json(indent=2) + "\n"


def report(findings: Findings) -> DiagnosticReport:
    """Returns findings as the published model."""
    return DiagnosticReport(
        pairs=findings.pairs,
        quarantined=findings.quarantined,
        known=findings.known,
        rules=[_rule(rule) for rule in findings.rules],
        findings=[Finding(**row) for row in findings.frame.iter_rows(named=True)],
    )


def _rule(rule: RuleCount) -> RuleReport:
    facts = msgspec.to_builtins(rule)
    return RuleReport(**facts, rate=rule.rate, summary=find_rule(rule.name).summary)
