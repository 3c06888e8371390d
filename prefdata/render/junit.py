"""Findings as JUnit XML in the shape that Jenkins reads: one test case a rule."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from prefdata.findings import reaches
from prefdata.render import View, renderer
from prefdata.render.pair import printable
from prefdata.render.place import place_of

if TYPE_CHECKING:
    from prefdata.findings import Findings, RuleCount


_SUITE = "prefdata check"


@renderer("junit")
def render_junit(findings: Findings, view: View) -> Iterator[str]:
    """Yields one suite; rules broken at or above `view.fail_on` fail, others only say what they found.

    The text of a case has at most `view.max_per_rule` findings.
    """
    failed = sum(_fails(rule, view) for rule in findings.rules)
    numbers = {"tests": str(len(findings.rules)), "failures": str(failed), "errors": "0"}
    root = ET.Element("testsuites", {"name": _SUITE, **numbers})
    suite = ET.SubElement(root, "testsuite", {"name": _SUITE, **numbers})
    for rule in findings.rules:
        case = ET.SubElement(
            suite, "testcase", classname=f"prefdata.{rule.kind}", name=f"{rule.code} {rule.name}"
        )
        if _fails(rule, view):
            told = ET.SubElement(case, "failure", message=_told(rule), type=rule.level)
            told.text = _text(findings, rule, view)
        elif rule.count:
            ET.SubElement(case, "system-out").text = _text(findings, rule, view)
    ET.indent(root)
    yield '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _fails(rule: RuleCount, view: View) -> bool:
    return rule.count > 0 and view.fail_on != "never" and reaches(rule.level, view.fail_on)


def _told(rule: RuleCount) -> str:
    if rule.measured is not None:
        return _valid(rule.measured.message)
    return f"{rule.count:,} of {rule.of:,} ({rule.rate:.2%})"


def _text(findings: Findings, rule: RuleCount, view: View) -> str:
    found = findings.of(rule.name)
    shown = found.head(view.max_per_rule) if view.max_per_rule else found
    lines = [_valid(f"{place_of(row)}: {row['message']}") for row in shown.iter_rows(named=True)]
    if shown.height < found.height:
        lines.append(f"{found.height - shown.height:,} more")
    return "\n".join(lines)


def _valid(text: str) -> str:
    """Returns one line of characters that XML 1.0 allows; others become visible escapes."""
    return printable(text.replace("\n", "\\n").replace("\t", "\\t"))
