"""Findings as JSON Lines: one finding a line, the keys of `Finding` in schemas/diagnostic-v1.json."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from prefdata.render import View, renderer

if TYPE_CHECKING:
    from prefdata.findings import Findings

_AT_ONCE = 10_000


@renderer("jsonl")
def render_jsonl(findings: Findings, view: View) -> Iterator[str]:  # noqa: ARG001 (for people only)
    """Yields one line for each finding."""
    for part in findings.frame.iter_slices(_AT_ONCE):
        yield part.write_ndjson()
