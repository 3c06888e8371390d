"""Rates, baselines, benchmarks and formats of `prefdata check`, `config` and the pre-commit hook."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import polars as pl
import pytest
import yaml
from lxml import etree

from prefdata.checks import RULES
from tests.command import prefdata
from tests.prefdata.cli.test_check import GOOD, SAME, lines

ROOT = Path(__file__).parents[3]


@pytest.fixture
def votes(tmp_path: Path) -> Path:
    return lines(tmp_path / "votes.jsonl", GOOD, SAME, GOOD | {"prompt": "Name two."}, "{")


def test_a_rate_that_is_tolerated(votes: Path) -> None:
    options = ["--select", "PD201", "--max-rate"]
    assert prefdata("check", votes, *options, "identical-pair=0.5").returncode == 0
    assert prefdata("check", votes, *options, "PD201=0.3").returncode == 1
    for wrong in ("PD201", "PD201=1.5", "PD201=x", "=0.1"):
        ran = prefdata("check", votes, *options, wrong)
        assert ran.returncode == 2
        assert "is not RULE=RATE" in ran.stderr
    ran = prefdata("check", votes, "--max-rate", "length-bias=0.1")
    assert ran.returncode == 2
    assert "rules.length-bias.max_rate: unknown key" in ran.stderr


def test_a_baseline_from_its_birth_to_the_next_mistake(votes: Path) -> None:
    folder = votes.parent
    options = ["check", votes.name, "--select", "PD0,PD201"]
    ran = prefdata(*options, "--write-baseline", "known.json", cwd=folder)
    assert (ran.returncode, ran.stderr) == (0, "wrote known.json: 2 findings\n")
    assert ran.stdout.startswith(
        "3 pairs, 1 row set aside · 2 findings in the baseline · nothing else"
    )
    assert prefdata(*options, cwd=folder).returncode == 1
    known = [*options, "--baseline", "known.json"]
    assert prefdata(*known, cwd=folder).returncode == 0
    lines(votes, GOOD, SAME, SAME | {"prompt": "Name a nut."})
    ran = prefdata(*known, cwd=folder)
    assert ran.returncode == 1
    assert ran.stdout.splitlines()[0].startswith("votes.jsonl:3  PD201 identical-pair")
    assert ran.stderr.startswith("known.json: 1 finding in it no longer found (1 malformed-json)")
    again = [*options, "--write-baseline", "known.json"]
    ran = prefdata(*again, cwd=folder)
    assert ran.returncode == 2
    assert "has not these findings: 1 identical-pair" in ran.stderr
    assert prefdata(*again, "--accept-new", cwd=folder).returncode == 0
    ran = prefdata(*known, "--format", "json", cwd=folder)
    report = json.loads(ran.stdout)
    assert (ran.returncode, report["known"], report["findings"]) == (0, 2, [])


@pytest.mark.parametrize("text", [None, "{", "[1]"])
def test_a_baseline_that_cannot_be_read(votes: Path, text: str | None) -> None:
    path = votes.parent / "known.json"
    if text is not None:
        path.write_text(text)
    ran = prefdata("check", votes, "--baseline", path)
    assert ran.returncode == 2
    assert "hint: " in ran.stderr
    assert "--write-baseline" in ran.stderr


def test_what_is_new_is_accepted_only_when_a_baseline_is_written(votes: Path) -> None:
    ran = prefdata("check", votes, "--accept-new")
    assert ran.returncode == 2
    assert "--accept-new goes with --write-baseline" in ran.stderr


def test_prompts_of_an_evaluation_set_are_found(votes: Path) -> None:
    asked = "A train leaves Rome at nine and another leaves Milan at ten. When do they meet?"
    lines(votes, GOOD, GOOD | {"prompt": f"Hello! {asked}"})
    (votes.parent / "quiz.txt").write_text(f"Name a sea.\n{asked}\n")
    lines(votes.parent / "suite.jsonl", {"question": asked, "answer": "noon"})
    for suite in ("quiz.txt", "suite.jsonl"):
        options = ["--select", "benchmark-overlap", "--benchmark", suite]
        ran = prefdata("check", votes.name, *options, cwd=votes.parent)
        assert ran.returncode == 1, ran.stderr
        assert ran.stdout.startswith("votes.jsonl:2  PD507 benchmark-overlap")


def test_an_evaluation_set_without_prompts(votes: Path) -> None:
    suite = lines(votes.parent / "suite.jsonl", {"tag": 1})
    ran = prefdata("check", votes, "--benchmark", suite)
    assert ran.returncode == 2
    assert "no prompts found; its rows have tag" in ran.stderr
    assert "hint: name the column of its prompts" in ran.stderr


def test_formats_for_other_programs(votes: Path) -> None:
    def output(name: str) -> str:
        ran = prefdata("check", votes.name, "--format", name, cwd=votes.parent)
        assert (ran.returncode, ran.stderr) == (1, "")
        return ran.stdout

    assert "::error file=votes.jsonl,line=2,title=PD201 identical-pair::" in output("github")
    results = json.loads(output("sarif"))["runs"][0]["results"]
    assert {"PD001", "PD201"} <= {result["ruleId"] for result in results}
    assert int(etree.fromstring(output("junit").encode()).get("failures")) >= 2
    assert {json.loads(line)["row"] for line in output("jsonl").splitlines()} >= {2, 4}


def test_statistics_tell_of_every_rule_that_ran(votes: Path) -> None:
    out = prefdata("check", votes, "--statistics").stdout
    ran = [rule for rule in RULES if not rule.needs or rule.needs == "provenance"]
    assert all(f" {rule.code} {rule.name} " in out for rule in ran)
    assert "PD504" not in out


def test_settings_of_rules_are_checked_with_the_file_and_the_key(votes: Path) -> None:
    path = votes.parent / "prefdata.toml"
    path.write_text('ignore = ["PD88"]\n[rules]\nlength-bias = { mx = 0.7 }\nnone-such = {}\n')
    for command in (["check", votes], ["config"]):
        ran = prefdata(*command, cwd=votes.parent)
        assert ran.returncode == 2
        assert str(path) in ran.stderr
        assert "ignore: there is no rule 'PD88'" in ran.stderr
        assert "rules.length-bias.mx: unknown key; did you mean 'max'?" in ran.stderr
        assert "rules.none-such: there is no rule 'none-such'" in ran.stderr


def test_config_shows_each_value_with_its_source(tmp_path: Path) -> None:
    path = tmp_path / "prefdata.toml"
    path.write_text('ignore = ["PD6"]\n[rules]\nPD308 = { max = 0.75 }\n')
    assert prefdata("config", cwd=tmp_path).stdout == f"{path}: can be used\n"
    options = ["--fail-on", "warning", "--max-rate", "PD201=0.02"]
    out = prefdata("config", "--show", *options, cwd=tmp_path).stdout
    shown = {line.split()[0]: line.split(maxsplit=1)[1].split("  ") for line in out.splitlines()}
    found = {key: (cells[0], cells[-1].strip()) for key, cells in shown.items()}
    assert found["select"] == ("-", "default")
    assert found["ignore"] == ('["PD6"]', str(path))
    assert found["fail-on"] == ('"warning"', "option")
    assert found["rules.length-bias.max"] == ("0.75", str(path))
    assert found["rules.length-bias.level"] == ('"warning"', "default")
    assert found["rules.identical-pair.max_rate"] == ("0.02", "option")


def test_explain_as_json() -> None:
    rules = json.loads(prefdata("explain", "--json").stdout)
    assert {rule["code"] for rule in rules} == {rule.code for rule in RULES}
    for rule in rules:
        assert list(rule["sections"]) == ["What it does", "Why is this bad?", "Example", "Fix"]
        assert rule["settings"][0]["default"] == rule["level"]
    one = json.loads(prefdata("explain", "PD308", "--json").stdout)
    assert one == next(rule for rule in rules if rule["code"] == "PD308")
    assert (one["fix"], one["kind"]) == (None, "dataset")
    assert one["settings"][1]["default"] == 0.6
    assert prefdata("explain", "hh-rlhf", "--json").returncode == 2


def test_explain_says_what_can_be_set() -> None:
    page = prefdata("explain", "length-bias").stdout
    assert "max    broken when the whole 95 % interval is more: number; default 0.6" in page
    assert 'length-bias = { level = "warning", max = 0.6 }' in page


def test_the_pre_commit_hook(votes: Path) -> None:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))
    assert hook["language"] == "python"
    program, *args = shlex.split(hook["entry"])
    assert program == "prefdata"
    assert prefdata(*args, votes.name, cwd=votes.parent).returncode == 1
    lines(votes, GOOD)
    assert prefdata(*args, "--fail-on", "error", votes.name, cwd=votes.parent).returncode == 0


def test_scores_of_a_model_speak_against_a_label(votes: Path) -> None:
    lines(votes, *({**GOOD, "prompt": f"Name number {number}."} for number in range(8)))
    pairs = votes.parent / "pairs.parquet"
    assert prefdata("convert", votes, "-o", pairs).returncode == 0
    scores = pl.read_parquet(pairs, columns=["id", "row"]).select(
        "id",
        chosen_logps=pl.when(pl.col("row") == 3).then(-90.0).otherwise(-10.0),
        rejected_logps=-30.0,
        ref_chosen_logps=-30.0,
        ref_rejected_logps=-30.0,
    )
    scores.write_parquet(votes.parent / "scores.parquet")
    options = [
        "--select",
        "margin-against-label",
        "--fail-on",
        "info",
        "--scores",
        "scores.parquet",
    ]
    ran = prefdata("check", pairs.name, *options, cwd=votes.parent)
    assert ran.returncode == 1, ran.stderr
    assert "votes.jsonl:3  PD332 margin-against-label" in ran.stdout.splitlines()[0]
    assert "scores.parquet: scores of 8 of 8 pairs" in ran.stderr
    ran = prefdata("check", votes.name, "--select", "too-easy", cwd=votes.parent)
    assert (ran.returncode, "add --scores FILE" in ran.stderr) == (2, True)
    scores.with_columns(id=pl.lit("0")).write_parquet(votes.parent / "scores.parquet")
    ran = prefdata("check", pairs.name, *options, cwd=votes.parent)
    assert (ran.returncode, "scores none of these 8 pairs" in ran.stderr) == (2, True)
