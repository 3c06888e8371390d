"""`prefdata check` and `prefdata explain` as a person and a CI job run them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from prefdata.checks import RULES
from tests.command import prefdata

GOOD = {"prompt": "Name a colour.", "chosen": "Blue.", "rejected": "Seven."}
SAME = {"prompt": "Name a fruit.", "chosen": "Fig.", "rejected": "Fig."}


def lines(path: Path, *rows: Any) -> Path:
    text = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows]
    path.write_text("".join(line + "\n" for line in text), encoding="utf-8")
    return path


@pytest.fixture
def votes(tmp_path: Path) -> Path:
    return lines(tmp_path / "votes.jsonl", GOOD, SAME, "{", GOOD, GOOD | {"chosen": None})


def test_text_names_file_row_rule_and_what_next(votes: Path) -> None:
    ran = prefdata("check", votes.name, cwd=votes.parent)
    assert ran.returncode == 1
    assert ran.stderr == ""
    *found, summary = ran.stdout.splitlines()
    assert [line.split("  ")[0] for line in found] == [f"votes.jsonl:{n}" for n in (3, 5, 2, 4)]
    assert "PD001 malformed-json  " in found[0]
    assert "null" in found[1]
    assert "PD201 identical-pair" in found[2]
    assert found[3].endswith("warning  the same pair as row 1")
    assert summary.startswith("3 pairs, 2 rows set aside · 3 rules failed, 1 warned · 2 fixable")


def test_json_is_complete_and_fits_the_published_schema(votes: Path) -> None:
    ran = prefdata("check", votes, "--format", "json", "--max-per-rule", "1")
    assert ran.returncode == 1
    report = json.loads(ran.stdout)
    jsonschema.validate(report, json.loads(prefdata("schema", "diagnostic").stdout))
    counts = {rule["name"]: rule["count"] for rule in report["rules"] if rule["count"]}
    assert counts == {"malformed-json": 1, "null-text": 1, "identical-pair": 1, "duplicate-pair": 1}
    assert sorted(finding["row"] for finding in report["findings"]) == [2, 3, 4, 5]


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ([], 1),
        (["--fail-on", "never"], 0),
        (["--select", "duplicate-pair"], 0),
        (["--select", "PD501", "--fail-on", "warning"], 1),
        (["--ignore", "PD0,PD1,identical-pair"], 0),
        (["--select", "tied-score", "--fail-on", "info"], 0),
        (["--select", "tide-score"], 2),
        (["--fail-on", "sometimes"], 2),
        (["--max-length", "64"], 2),
        (["--against", "nowhere.parquet"], 2),
    ],
)
def test_exit_codes(votes: Path, options: list[str], code: int) -> None:
    assert prefdata("check", votes, *options, cwd=votes.parent).returncode == code


def test_settings_come_from_the_project_and_options_go_before_them(votes: Path) -> None:
    (votes.parent / "pyproject.toml").write_text('[tool.prefdata]\nselect = ["duplicate-pair"]\n')
    assert prefdata("check", votes, cwd=votes.parent).returncode == 0
    assert prefdata("check", votes, "--select", "PD201", cwd=votes.parent).returncode == 1
    (votes.parent / "pyproject.toml").write_text('[tool.prefdata]\nfail-at = "error"\n')
    ran = prefdata("check", votes, cwd=votes.parent)
    assert ran.returncode == 2
    assert "fail-at: unknown key; did you mean 'fail-on'?" in ran.stderr
    (votes.parent / "pyproject.toml").write_text(
        "[tool.prefdata.rules.identical]\nmax_rate = 0.5\n"
    )
    ran = prefdata("check", votes, cwd=votes.parent)
    assert ran.returncode == 2
    assert "there is no rule 'identical'" in ran.stderr


def test_standard_input_and_several_files(votes: Path) -> None:
    ran = prefdata("check", "-", "--select", "PD201", stdin=votes.read_bytes())
    assert (ran.returncode, ran.stdout.partition("  ")[0]) == (1, "-:2")
    other = lines(votes.parent / "b.jsonl", GOOD)
    ran = prefdata("check", votes.name, other.name, "--select", "PD501", cwd=votes.parent)
    assert "b.jsonl:1      PD501 duplicate-pair" not in ran.stdout, "b.jsonl comes first by name"
    assert ran.stdout.count("the same pair as b.jsonl:1") == 2


def test_against_another_split(tmp_path: Path) -> None:
    train = lines(tmp_path / "train.jsonl", GOOD, GOOD | {"prompt": "Name a number."})
    test = lines(tmp_path / "test.jsonl", GOOD | {"chosen": "Red."})
    ran = prefdata("check", train, "--against", test, "--select", "split-leakage")
    assert ran.returncode == 1
    assert "train.jsonl:1 " in ran.stdout
    assert "train.jsonl:2 " not in ran.stdout


def test_tokens_of_a_model(tmp_path: Path, tiny_model: Path) -> None:
    tail = "Blue, as the sea is blue, with waves that rise. "
    long = GOOD | {"chosen": tail + "Bread.", "rejected": tail + "Seven."}
    source = lines(tmp_path / "in.jsonl", GOOD | {"prompt": "a"}, long)
    tokens = ["--select", "PD4", "--tokenizer", tiny_model]
    assert prefdata("check", source, *tokens).returncode == 0
    ran = prefdata("check", source, *tokens, "--max-length", "36")
    assert ran.returncode == 1
    assert "in.jsonl:2  PD404 identical-after-truncation" in ran.stdout
    assert prefdata("check", source, "--tokenizer", tmp_path / "nowhere").returncode == 2


@pytest.mark.parametrize("word", ["identical-pair", "PD201", "pd201"])
def test_explain_prints_the_page(word: str) -> None:
    ran = prefdata("explain", word)
    assert ran.stdout.startswith("PD201 identical-pair · error · fix: drop (safe) · since 0.1\n")
    assert "## Why is this bad?" in ran.stdout


def test_explain_lists_all_prints_all_and_knows_formats() -> None:
    listed, pages = prefdata("explain").stdout, prefdata("explain", "--all").stdout
    for rule in RULES:
        assert f"{rule.code}  {rule.name} " in listed
        assert f"{rule.code} {rule.name} · " in pages
    assert "Human:" in prefdata("explain", "hh-rlhf").stdout
