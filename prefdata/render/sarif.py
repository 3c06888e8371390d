"""Findings as SARIF 2.1.0, which code hosts and editors read.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html; the numbers of sections below are its.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from prefdata.checks import Rule, find_rule
from prefdata.render import View, renderer
from prefdata.render.place import file_of, line_of, message_of
from prefdata.version import __version__

if TYPE_CHECKING:
    from prefdata.findings import Findings, RuleCount

_SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
_LEVELS = {"error": "error", "warning": "warning", "info": "note"}  # 3.27.10


@renderer("sarif")
def render_sarif(findings: Findings, view: View) -> Iterator[str]:  # noqa: ARG001 (for people only)
    """Yields one SARIF log with every rule that ran and every finding."""
    places = {rule.name: place for place, rule in enumerate(findings.rules)}
    driver = {
        "name": "prefdata",
        "version": __version__,
        "rules": [_descriptor(find_rule(rule.name), rule) for rule in findings.rules],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [
            _result(row, places[row["name"]]) for row in findings.frame.iter_rows(named=True)
        ],
    }
    log = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}
    yield msgspec.json.format(msgspec.json.encode(log), indent=2).decode() + "\n"


def _descriptor(rule: Rule, count: RuleCount) -> dict[str, Any]:
    """Returns a rule as a reportingDescriptor (3.49)."""
    return {
        "id": rule.code,
        "name": rule.name,
        "shortDescription": {"text": rule.summary},
        "help": {"text": rule.page, "markdown": rule.page},
        "defaultConfiguration": {"level": _LEVELS[rule.level]},
        "properties": {"kind": rule.kind, "count": count.count, "rate": count.rate},
    }


def _result(row: Mapping[str, Any], place: int) -> dict[str, Any]:
    """Returns a finding as a result (3.27); the fingerprint is the key of baselines."""
    identity = row["id"] or f"{row['file']}:{row['row']}"
    return {
        "ruleId": row["code"],
        "ruleIndex": place,
        "level": _LEVELS[row["level"]],
        "message": {"text": message_of(row)},
        "locations": _locations(row),
        "partialFingerprints": {"rulePair/v1": f"{row['name']}:{identity}"},
    }


def _locations(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Returns the file and, where its rows are lines, the line; nothing for the whole set."""
    file, line = file_of(row), line_of(row)
    if file is None:
        return []
    physical: dict[str, Any] = {"artifactLocation": {"uri": quote(file)}}
    if line is not None:
        physical["region"] = {"startLine": line}
    return [{"physicalLocation": physical}]
