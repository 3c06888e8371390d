"""What other programs are given: workflow commands, SARIF, JUnit and JSON Lines, as published."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import jsonschema
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from prefdata.lint import Findings, lint
from prefdata.render.github import escape_data, escape_property
from prefdata.render.json import Finding
from prefdata.render.pair import printable
from tests.prefdata.pairs import FRAMES, frame, pair
from tests.prefdata.render.test_renderers import shown

SCHEMAS = Path(__file__).parents[2] / "fixtures" / "schemas"
RULES = ["PD104", "PD201", "PD303", "PD308", "PD501"]


@cache
def sarif_schema() -> Any:
    schema = json.loads((SCHEMAS / "sarif-2.1.0-rtm.5.json").read_text("utf-8"))
    return jsonschema.Draft4Validator(schema, format_checker=jsonschema.FormatChecker())


@cache
def junit_schema() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(SCHEMAS / "junit-10.xsd"))


def sample() -> Findings:
    """Findings at lines, in rows of a file that has no lines, and of the whole set."""
    pairs = frame(
        pair("q1", "same, 100%: sure", "same, 100%: sure", 4),
        pair("q2", "same", "same", 5),
        pair("q3", "same", "same", 6),
        pair("q4", "long", "b", 7, chosen_score=1.0, rejected_score=1.0),
        *(pair(f"p{i}", "long", "b", i) for i in range(8, 40)),
    ).with_columns(
        file=pl.when(pl.col("row") < 7).then(pl.lit("a b/x.jsonl")).otherwise(pl.lit("y.csv"))
    )
    return lint(pairs, select=RULES)


def test_workflow_commands() -> None:
    assert shown(sample(), "github", max_per_rule=2).splitlines() == [
        "::error file=a b/x.jsonl,line=4,title=PD201 identical-pair"
        '::chosen and rejected are the same ("same, 100%25: sure")',
        "::error file=a b/x.jsonl,line=5,title=PD201 identical-pair"
        '::chosen and rejected are the same ("same")',
        "::error title=PD201 identical-pair::1 more",
        "::warning file=y.csv,title=PD303 tied-score::row 7: both sides score 1.0",
        "::warning title=PD308 length-bias::chosen is longer in 91.7%25 of pairs"
        " (95 %25 CI 78.2 to 97.1; limit 60%25)",
    ]


@given(st.text())
def test_a_workflow_command_stays_one_and_says_what_it_was_given(text: str) -> None:
    """Undone as the runner does it (actions/runner, ActionCommand.cs), `%` last."""
    lines = {"%0D": "\r", "%0A": "\n"}
    marks = {"%3A": ":", "%2C": ","}
    seen = "".join(char if char in "\r\n" else printable(char) for char in text)
    assert undone(escape_data(text), lines) == undone(escape_property(text), lines | marks) == seen
    assert not set(escape_data(text)) & {"\n", "\r"}
    assert not set(escape_property(text)) & {"\n", "\r", ":", ","}


def undone(escaped: str, codes: dict[str, str]) -> str:
    for code, char in (codes | {"%25": "%"}).items():
        escaped = escaped.replace(code, char)
    return escaped


def test_sarif() -> None:
    log = json.loads(shown(sample(), "sarif"))
    sarif_schema().validate(log)
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == RULES
    assert rules[1]["name"] == "identical-pair"
    assert rules[1]["shortDescription"]["text"] == "Chosen and rejected are the same."
    assert "## Why is this bad?" in rules[1]["help"]["markdown"]
    assert [rules[each["ruleIndex"]]["id"] for each in run["results"]] == [
        each["ruleId"] for each in run["results"]
    ]
    first, _, _, tied, bias = run["results"]
    assert first["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "a%20b/x.jsonl"},
        "region": {"startLine": 4},
    }
    assert tied["locations"][0]["physicalLocation"] == {"artifactLocation": {"uri": "y.csv"}}
    assert tied["message"]["text"] == "row 7: both sides score 1.0"
    assert (first["level"], tied["level"], bias["locations"]) == ("error", "warning", [])
    assert len({each["partialFingerprints"]["rulePair/v1"] for each in run["results"]}) == 5


def test_sarif_that_does_not_fit_is_noticed() -> None:
    log = json.loads(shown(sample(), "sarif"))
    log["runs"][0]["results"][0]["level"] = "info"
    with pytest.raises(jsonschema.ValidationError):
        sarif_schema().validate(log)


def test_junit() -> None:
    root = etree.fromstring(shown(sample(), "junit", max_per_rule=2).encode())
    junit_schema().assertValid(root)
    suite = root.find("testsuite")
    assert {key: suite.get(key) for key in ("tests", "failures", "errors")} == {
        "tests": "5",
        "failures": "1",
        "errors": "0",
    }
    cases = {case.get("name"): case for case in suite}
    failure = cases["PD201 identical-pair"].find("failure")
    assert failure.get("message") == "3 of 36 (8.33%)"
    assert failure.text.splitlines() == [
        'a b/x.jsonl:4: chosen and rejected are the same ("same, 100%: sure")',
        'a b/x.jsonl:5: chosen and rejected are the same ("same")',
        "1 more",
    ]
    assert cases["PD303 tied-score"].find("failure") is None
    assert cases["PD303 tied-score"].find("system-out").text == "y.csv:7: both sides score 1.0"
    assert len(cases["PD501 duplicate-pair"]) == 0


@pytest.mark.parametrize(("fail_on", "failures"), [("never", 0), ("error", 1), ("warning", 3)])
def test_junit_fails_where_the_command_does(fail_on: str, failures: int) -> None:
    root = etree.fromstring(shown(sample(), "junit", fail_on=fail_on).encode())
    assert len(root.findall(".//failure")) == failures == int(root.get("failures"))


def test_json_lines() -> None:
    found = [Finding.model_validate_json(line) for line in shown(sample(), "jsonl").splitlines()]
    assert [each.model_dump() for each in found] == sample().frame.to_dicts()


FILES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)


@settings(max_examples=30)
@given(FRAMES, FILES, st.text(st.characters(exclude_categories=["Cs"]), max_size=12))
def test_any_findings_fit_the_published_schemas(pairs: pl.DataFrame, file: str, text: str) -> None:
    """Also where data put anything into messages and file names."""
    findings = lint(pairs, against=pairs, select=["PD1", "PD2", "PD5"])
    message = pl.col("message") + pl.lit(text)
    nasty = findings.frame.with_columns(message, file=pl.lit(file + ".jsonl"))
    findings = Findings(nasty, findings.rules, findings.pairs, findings.quarantined)
    log = json.loads(shown(findings, "sarif"))
    sarif_schema().validate(log)
    for row, each in zip(nasty.iter_rows(named=True), log["runs"][0]["results"], strict=True):
        assert each["message"]["text"] == row["message"]
        place = each["locations"][0]["physicalLocation"]["artifactLocation"]
        assert unquote(place["uri"]) == row["file"]
    root = etree.fromstring(shown(findings, "junit").encode())
    junit_schema().assertValid(root)
    commands = shown(findings, "github", max_per_rule=0)
    assert commands.count("\n") == len(commands.splitlines()) == nasty.height
    assert all(re.match(r"::(error|warning|notice) [^:]*::", c) for c in commands.splitlines())
