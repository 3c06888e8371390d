"""Every rule is silent where it should be, speaks where it should, and is what its page says."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

import prefdata
from prefdata.checks import RULES, SAFE_DROP, RowRule, Rule, SetRule, find_rule
from prefdata.curate.drop import curate
from prefdata.errors import FormatError
from tests.prefdata.checks.cases import (
    FOLDER,
    RULE_NAMES,
    Case,
    cases,
    cases_of,
    converted,
    lint_pairs,
    run,
)

SECTIONS = ["What it does", "Why is this bad?", "Example", "Fix"]
PACKAGE = Path(prefdata.__file__).parent


def label(value: object) -> str | None:
    return value.rule.name if isinstance(value, Case) else None


@pytest.mark.parametrize("case", cases("pass"), ids=label)
def test_silent_where_nothing_is_wrong(case: Case, tmp_path: Path, tiny_model: Path) -> None:
    findings = run(case, tmp_path, tiny_model)
    assert findings.frame.is_empty(), findings.frame["message"].to_list()
    assert [rule.name for rule in findings.rules] == [case.rule.name], "the rule did not run"


@pytest.mark.parametrize("case", cases("fail"), ids=label)
def test_points_at_the_rows(case: Case, tmp_path: Path, tiny_model: Path) -> None:
    findings = run(case, tmp_path, tiny_model)
    assert findings.frame["row"].to_list() == case.found
    assert findings.rules[0].count == len(case.found or [])
    assert findings.frame["message"].null_count() == 0
    assert set(findings.frame["code"]) == {case.rule.code}


@pytest.mark.parametrize("case", [c for c in cases("fail") if c.rule.fix], ids=label)
def test_silent_after_the_fix(case: Case, tmp_path: Path, tiny_model: Path) -> None:
    pairs = converted(case, tmp_path).pairs
    fixed = curate(pairs, [case.rule.name])
    assert fixed.kept["row"].to_list() == case.left
    assert lint_pairs(case, fixed.kept, tmp_path, tiny_model).frame.is_empty()


@pytest.mark.parametrize("case", cases("refused"), ids=label)
def test_refuses_the_file(case: Case, tmp_path: Path) -> None:
    with pytest.raises(FormatError) as error:
        converted(case, tmp_path)
    assert error.value.hint


@pytest.mark.parametrize("case", cases("counted"), ids=label)
def test_is_counted(case: Case, tmp_path: Path, tiny_model: Path) -> None:
    assert case.rule.name in converted(case, tmp_path).reasons
    assert run(case, tmp_path, tiny_model).frame.is_empty()


@pytest.mark.parametrize("name", RULE_NAMES)
def test_has_cases_of_both_kinds(name: str) -> None:
    assert cases_of(name, "pass")
    assert [*cases_of(name, "fail"), *cases_of(name, "refused"), *cases_of(name, "counted")]
    assert all(case.left is not None for case in cases_of(name, "fail") if case.rule.fix)


def test_no_case_file_without_a_rule() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.yaml")) == RULE_NAMES


@pytest.mark.parametrize("name", RULE_NAMES)
def test_the_page_is_complete_and_its_example_triggers_the_rule(
    name: str, tmp_path: Path, tiny_model: Path
) -> None:
    rule = RULES.get(name)
    assert re.findall(r"^## (.*)$", rule.page, re.MULTILINE) == SECTIONS
    assert len(rule.summary) <= 100
    case = example(rule)
    assert case is not None, "the page has no ```jsonl or ```csv block"
    try:
        conversion = converted(case, tmp_path)
    except FormatError:
        assert cases_of(name, "refused"), "the example cannot be read"
        return
    findings = run(case, tmp_path, tiny_model)
    assert findings.rules[0].count or name in conversion.reasons


def example(rule: Rule) -> Case | None:
    """The example of a page, with the options its text names."""
    block = re.search(r"```(jsonl|csv)\n(.*?)```", rule.page, re.DOTALL)
    if block is None:
        return None
    length = re.search(r"^With `--max-length (\d+)`:", rule.page, re.MULTILINE)
    max_length = int(length[1]) if length else 1000 if rule.needs == "tokens" else None
    against = block[2] if rule.needs == "against" else None
    option = re.search(r"^With `--map (\S+)`:", rule.page, re.MULTILINE)
    mapping = dict(item.split("=") for item in option[1].split(",")) if option else None
    ties = re.search(r"^With `--ties (drop)`:", rule.page, re.MULTILINE)
    join = re.search(
        r"^With `--join labels.jsonl:(\S+)`, where labels.jsonl is `(.*)`:", rule.page, re.MULTILINE
    )
    template = re.search(
        r"^With `--chat-template FILE`, where FILE is `(.*)`:", rule.page, re.MULTILINE
    )
    case = Case(rule, block[2], block[1], against, max_length, map=mapping)
    case = case._replace(
        ties="drop" if ties else "keep", template=template[1] if template else None
    )
    manifest = re.search(r"```json\n(.*?)```", rule.page, re.DOTALL)
    case = case._replace(manifest=json.loads(manifest[1]) if manifest else None)
    benchmark = re.search(r"```text\n(.*?)```", rule.page, re.DOTALL)
    case = case._replace(benchmark=benchmark[1] if benchmark else None)
    table = re.search(r"```tsv\n(.*?)```", rule.page, re.DOTALL)
    case = case._replace(scores=table[1] if table else None)
    return case._replace(join=join[1], joined=join[2]) if join else case


@pytest.mark.parametrize("name", RULE_NAMES)
def test_the_page_names_its_fix(name: str) -> None:
    rule = RULES.get(name)
    fix = rule.page.partition("## Fix\n")[2]
    expected = f"`{rule.fix.action}` ({rule.fix.safety})" if rule.fix else "None"
    assert fix.startswith(expected)
    if rule.fix and rule.fix != SAFE_DROP:
        assert f"prefdata curate --select {name}" in fix


def test_codes_are_unique_and_in_their_family() -> None:
    codes = [rule.code for rule in RULES]
    assert len(set(codes)) == len(codes)
    families = {"read": "PD", "row": "PD", "set": "PD", "dataset": "PD", "token": "PD4"}
    for rule in RULES:
        assert re.fullmatch(r"PD[0-7]\d\d", rule.code)
        assert rule.code.startswith(families[rule.kind])


def test_a_fix_needs_rows_to_drop() -> None:
    assert all(isinstance(rule, RowRule | SetRule) for rule in RULES if rule.fix)


def test_every_reason_a_reader_gives_is_a_rule_and_no_read_rule_is_dead() -> None:
    """Names of rules in the source, found as literals: `BadRecord("null-text", ...)`."""
    given = {name for path in PACKAGE.rglob("*.py") for name in bad_records(path)}
    assert given <= set(RULE_NAMES)
    of_whole_files = {"blank-line"}
    assert {rule.name for rule in RULES if rule.kind == "read"} <= given | of_whole_files


def bad_records(path: Path) -> list[str]:
    calls = [
        node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)
    ]
    return [
        call.args[0].value
        for call in calls
        if isinstance(call.func, ast.Name)
        and call.func.id == "BadRecord"
        and isinstance(call.args[0], ast.Constant)
    ]


def test_rules_are_found_by_name_and_code_and_unknown_ones_hinted() -> None:
    assert find_rule("PD201") is find_rule("pd201") is find_rule("identical-pair")
    with pytest.raises(prefdata.PrefError) as error:
        find_rule("identical-pairs")
    assert "'identical-pair'" in str(error.value.hint)
