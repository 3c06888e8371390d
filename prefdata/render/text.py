"""Findings for a terminal: one line a finding, data escaped, and a summary that says what next."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click
from rich.cells import cell_len, set_cell_size

from prefdata.checks import SAFE_DROP, find_rule
from prefdata.render import View, renderer
from prefdata.render.pair import printable
from prefdata.render.place import WHOLE_SET, place_of
from prefdata.types import Level

if TYPE_CHECKING:
    from prefdata.findings import Findings, RuleCount

_COLOURS: dict[Level, str] = {"error": "red", "warning": "yellow", "info": "blue"}
_VERBS: dict[Level, str] = {"error": "failed", "warning": "warned", "info": "noted"}
_NOTHING = "-"
_INDENT = "    "


@renderer("text")
def render_text(findings: Findings, view: View) -> Iterator[str]:
    """Yields findings grouped by rule, or every rule with `statistics`, and a summary line."""
    limit = view.max_per_rule
    rows = _count_rows(findings) if view.statistics else _finding_rows(findings, limit)
    yield from _lines(list(rows), view)
    yield _summary(findings, view) + "\n"


def _finding_rows(findings: Findings, limit: int) -> Iterator[tuple[str, ...]]:
    for rule in findings.broken:
        found = findings.of(rule.name)
        shown = found.head(limit) if limit else found
        for row in shown.iter_rows(named=True):
            name = f"{rule.code} {rule.name}"
            yield _one_line(place_of(row)), name, rule.level, _one_line(row["message"])
        if shown.height < found.height:
            more = f"{found.height - shown.height:,} more (--max-per-rule 0 shows all)"
            yield "", f"{rule.code} {rule.name}", rule.level, more


def _count_rows(findings: Findings) -> Iterator[tuple[str, ...]]:
    """Yields how often each rule was broken, also those that never were."""
    for rule in findings.rules:
        name = f"{rule.code} {rule.name}"
        if rule.kind == "dataset":
            yield WHOLE_SET, name, _level(rule), _measured(rule)
        else:
            yield f"{rule.count:>{len(WHOLE_SET)},}", name, _level(rule), f"{rule.rate:.2%}"


def _level(rule: RuleCount) -> str:
    return rule.level if rule.count else _NOTHING


def _measured(rule: RuleCount) -> str:
    return _one_line(rule.measured.message) if rule.measured else "cannot be measured here"


def _one_line(text: str) -> str:
    return printable(text.replace("\n", "\\n").replace("\t", "\\t"))


def _lines(rows: list[tuple[str, ...]], view: View) -> Iterator[str]:
    """Yields rows in columns; wide characters count as the two cells they take.

    Where a row does not fit the terminal, its message takes a line of its own.
    """
    widths = [max((cell_len(row[i]) for row in rows), default=0) for i in range(3)]
    for row in rows:
        cells = [set_cell_size(cell, width) for cell, width in zip(row, widths, strict=False)]
        line = "  ".join([*cells, row[3]])
        if view.width and cell_len(line) > view.width:
            head = _cut("  ".join(cells).rstrip(), view.width)
            line = head + "\n" + _cut(_INDENT + row[3], view.width)
        if view.colour:
            level = row[2]
            line = line.replace(f"  {level}", "  " + click.style(level, _colour(level)), 1)
        yield line + "\n"


def _cut(line: str, width: int) -> str:
    return line if cell_len(line) <= width else set_cell_size(line, width - 1) + "…"


def _colour(level: str) -> str:
    return next((colour for known, colour in _COLOURS.items() if known == level), "green")


def _summary(findings: Findings, view: View) -> str:
    counted = _number(findings.pairs, "pair")
    if findings.quarantined:
        counted += f", {_number(findings.quarantined, 'row')} set aside"
    if findings.known:
        counted += f" · {_number(findings.known, 'finding')} in the baseline"
    if not findings.broken:
        nothing = "nothing else" if findings.known else "nothing"
        return f"{counted} · {nothing} found by {_number(len(findings.rules), 'rule')}"
    parts = [counted, _verdict(findings)]
    fixable = sum(rule.count for rule in findings.broken if find_rule(rule.name).fix == SAFE_DROP)
    if fixable:
        fix = (
            f"curate {_one_line(view.converted)} -o OUT"
            if view.converted
            else "convert, then curate"
        )
        parts.append(f"{fixable:,} fixable: prefdata {fix}")
    parts.append(f"explain: prefdata explain {findings.broken[0].code}")
    return " · ".join(parts)


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _verdict(findings: Findings) -> str:
    numbers = {
        verb: sum(rule.level == level for rule in findings.broken) for level, verb in _VERBS.items()
    }
    first, *others = [(verb, number) for verb, number in numbers.items() if number]
    parts = [f"{_number(first[1], 'rule')} {first[0]}"]
    return ", ".join(parts + [f"{number} {verb}" for verb, number in others])
