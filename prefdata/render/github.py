"""Findings as workflow commands of GitHub Actions, which shows them beside the changed lines.

GitHub shows ten of a level for each step, so that `--max-per-rule` holds here, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from prefdata.render import View, renderer
from prefdata.render.pair import printable
from prefdata.render.place import file_of, line_of, message_of
from prefdata.types import Level

if TYPE_CHECKING:
    from prefdata.findings import Findings

_COMMANDS: dict[str, str] = {"error": "error", "warning": "warning", "info": "notice"}
_DATA = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_PROPERTY = _DATA | str.maketrans({":": "%3A", ",": "%2C"})


@renderer("github")
def render_github(findings: Findings, view: View) -> Iterator[str]:
    """Yields one command a finding, and one for the findings of a rule that are not shown."""
    for rule in findings.broken:
        found = findings.of(rule.name)
        shown = found.head(view.max_per_rule) if view.max_per_rule else found
        title = f"{rule.code} {rule.name}"
        for row in shown.iter_rows(named=True):
            yield _command(rule.level, title, message_of(row), row)
        if shown.height < found.height:
            yield _command(rule.level, title, f"{found.height - shown.height:,} more")


def _command(level: Level, title: str, message: str, row: Mapping[str, Any] | None = None) -> str:
    file, line = (file_of(row), line_of(row)) if row else (None, None)
    given = {"file": file, "line": line, "title": title}
    properties = ",".join(
        f"{key}={escape_property(str(value))}" for key, value in given.items() if value is not None
    )
    return f"::{_COMMANDS[level]} {properties}::{escape_data(message)}\n"


def escape_data(text: str) -> str:
    """Returns text as the message of a command, as in actions/toolkit, command.ts, escapeData."""
    return printable(text.translate(_DATA))


def escape_property(text: str) -> str:
    """Returns text as the value of a property, as in actions/toolkit, command.ts, escapeProperty."""
    return printable(text.translate(_PROPERTY))
