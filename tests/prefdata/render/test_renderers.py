"""What a person and what a program are shown of the same findings."""

from __future__ import annotations

import json
from unicodedata import category

import jsonschema
import polars as pl
import pytest
from hypothesis import given, settings
from rich.cells import cell_len

from prefdata.lint import Findings, lint
from prefdata.render import RENDERERS, View
from prefdata.render.json import DiagnosticReport
from tests.prefdata.pairs import FRAMES, frame, pair

SCHEMA = DiagnosticReport.model_json_schema(mode="serialization")


def shown(findings: Findings, renderer: str = "text", **view: object) -> str:
    return "".join(RENDERERS.get(renderer)(findings, View(**view)))  # type: ignore[arg-type]


RULES = ["PD104", "PD201", "PD303"]


def sample() -> pl.DataFrame:
    return frame(
        *(pair(f"q{i}", "same", "same", i) for i in range(1, 9)),
        pair("q9", "", "b", 1204),
        pair("q10", "a", "b", 11, chosen_score=1.0, rejected_score=1.0),
    )


def test_text() -> None:
    assert shown(lint(sample(), select=RULES), max_per_rule=2).splitlines() == [
        "t.jsonl:1204  PD104 empty-completion  error    chosen says nothing",
        't.jsonl:1     PD201 identical-pair    error    chosen and rejected are the same ("same")',
        't.jsonl:2     PD201 identical-pair    error    chosen and rejected are the same ("same")',
        "              PD201 identical-pair    error    6 more (--max-per-rule 0 shows all)",
        "t.jsonl:11    PD303 tied-score        warning  both sides score 1.0",
        "10 pairs · 2 rules failed, 1 warned · 9 fixable: prefdata convert, then curate"
        " · explain: prefdata explain PD104",
    ]


def test_statistics_tell_of_every_rule() -> None:
    findings = lint(sample(), select=[*RULES, "PD001", "PD308"])
    lines = shown(findings, statistics=True, converted="p.parquet").splitlines()
    assert [line.split(maxsplit=4) for line in lines[:4]] == [
        ["0", "PD001", "malformed-json", "-", "0.00%"],
        ["1", "PD104", "empty-completion", "error", "10.00%"],
        ["8", "PD201", "identical-pair", "error", "80.00%"],
        ["1", "PD303", "tied-score", "warning", "10.00%"],
    ]
    assert lines[4].startswith("whole set  PD308 length-bias       -")
    assert "in 10.0% of pairs (95 % CI " in lines[4]
    assert "9 fixable: prefdata curate p.parquet -o OUT" in lines[5]


def test_statistics_of_nothing() -> None:
    text = shown(lint(frame(), select=["PD308", "PD201"]), statistics=True)
    assert "0  PD201 identical-pair  -  0.00%" in text
    assert "PD308 length-bias     -  cannot be measured here" in text


def test_nothing_found() -> None:
    text = shown(lint(frame(pair("q", "a", "b")), select=["PD201", "PD203", "PD308"]))
    assert text == "1 pair · nothing found by 3 rules\n"


def test_text_from_data_cannot_reach_the_terminal() -> None:
    nasty = "\x1b[2J\x1b]0;owned\x07\r\n\t\u202e\u200b"
    text = shown(lint(frame(pair("q", nasty, nasty)), select=["PD201"]))
    assert text.count("\n") == len(text.splitlines()) == 2
    assert text.replace("\n", "").isprintable()
    assert "\\x1b[2J" in text
    assert "\\u202e" in text


def test_columns_line_up_under_wide_characters() -> None:
    pairs = frame(pair("q", "x", "x"), pair("q", "y", "y", 2)).with_columns(
        file=pl.Series(["日本語.jsonl", "a.jsonl"])
    )
    lines = shown(lint(pairs, select=["PD201"])).splitlines()[:2]
    assert len({cell_len(line[: line.index("PD201")]) for line in lines}) == 1


@pytest.mark.parametrize("width", [20, 40, 80])
def test_lines_fit_the_terminal(width: int) -> None:
    pairs = frame(*(pair("q", "日本語" * 30, "日本語" * 30, i) for i in range(1, 4)))
    *lines, _summary = shown(lint(pairs), width=width).splitlines()
    assert max(map(cell_len, lines)) <= width


@settings(max_examples=30)
@given(FRAMES)
def test_any_findings_can_be_shown(pairs: pl.DataFrame) -> None:
    findings = lint(pairs, against=pairs)
    lines = shown(findings, max_per_rule=0).splitlines()
    assert len(lines) == findings.frame.height + 1
    assert all(char.isprintable() or category(char) == "Zs" for line in lines for char in line)
    shown(findings, statistics=True)


@settings(max_examples=30)
@given(FRAMES)
def test_json_holds_everything_and_fits_its_schema(pairs: pl.DataFrame) -> None:
    findings = lint(pairs, against=pairs)
    report = json.loads(shown(findings, "json", max_per_rule=1))
    jsonschema.validate(report, SCHEMA)
    assert len(report["findings"]) == findings.frame.height
    assert sum(rule["count"] for rule in report["rules"]) == findings.frame.height
    assert report["pairs"] == pairs.height


def test_a_message_that_does_not_fit_takes_its_own_line() -> None:
    first, second, *_ = shown(lint(sample(), select=["PD303"]), width=50).splitlines()
    assert first == "t.jsonl:11  PD303 tied-score  warning"
    assert second == "    both sides score 1.0"
