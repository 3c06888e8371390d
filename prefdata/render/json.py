"""Findings as JSON, all of them; the model is the source of schemas/diagnostic-v1.json."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from prefdata.render import View, renderer
from prefdata.schema import SCHEMA_VERSION
from prefdata.types import Level

if TYPE_CHECKING:
    from prefdata.lint import Findings


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


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
    rules: list[RuleReport] = Field(description="every rule that ran, by code")
    findings: list[Finding]


@renderer("json")
def render_json(findings: Findings, view: View) -> Iterator[str]:  # noqa: ARG001 (for people only)
    """Yields one JSON document of the model `DiagnosticReport`."""
    report = DiagnosticReport(
        pairs=findings.pairs,
        quarantined=findings.quarantined,
        rules=[RuleReport(**msgspec.structs.asdict(rule)) for rule in findings.rules],
        findings=[Finding(**row) for row in findings.frame.iter_rows(named=True)],
    )
    yield report.model_dump_json(indent=2) + "\n"
