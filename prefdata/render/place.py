"""Where a finding stands, for programs that open files at lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

WHOLE_SET = "whole set"
_OF_LINES = (".jsonl", ".ndjson")
_STDIN = "-"


def file_of(finding: Mapping[str, Any]) -> str | None:
    """Returns the file of a finding; None where it is about the whole set or standard input."""
    return None if finding["file"] in (None, _STDIN) else str(finding["file"])


def line_of(finding: Mapping[str, Any]) -> int | None:
    """Returns the line of a finding in its file; None where rows of the file are not its lines."""
    file = file_of(finding)
    return int(finding["row"]) if file and file.lower().endswith(_OF_LINES) else None


def place_of(finding: Mapping[str, Any]) -> str:
    """Returns `file:row` for a person, or what stands for it."""
    return WHOLE_SET if finding["file"] is None else f"{finding['file']}:{finding['row']}"


def message_of(finding: Mapping[str, Any]) -> str:
    """Returns the message, with the row in front where no line says it."""
    if finding["file"] is None or line_of(finding) is not None:
        return str(finding["message"])
    return f"row {finding['row']}: {finding['message']}"
