"""`prefdata lengths`, as a program."""

import json
from pathlib import Path

import pytest

from prefdata import write_pairs
from tests.command import prefdata
from tests.prefdata.tokens.pairs import frame, real_pairs


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    path = tmp_path / "pairs.parquet"
    write_pairs(frame(*real_pairs()), path)
    return path


def test_text_names_a_length_that_cuts_few_enough(pairs: Path, tiny_model: Path) -> None:
    ran = prefdata("lengths", pairs, "--tokenizer", tiny_model, "--recommend", "0.5")
    assert ran.returncode == 0, ran.stderr
    lines = ran.stdout.splitlines()
    assert lines[0].startswith("30 pairs; tokens of prompt + the longer completion: least ")
    assert lines[1].split()[:3] == ["max_length", "too", "long"]
    assert lines[-1].startswith("recommended: max_length ")


def test_json_agrees_with_the_rules(pairs: Path, tiny_model: Path) -> None:
    asked = ("--tokenizer", tiny_model, "--max-length", "200,100", "--format", "json")
    ran = prefdata("lengths", pairs, *asked, "--recommend", "0.1")
    assert ran.returncode == 0, ran.stderr
    record = json.loads(ran.stdout)
    of_all = {row["max_length"]: row for row in record["lengths"] if row["source"] is None}
    exact = record["recommended"]["exact"]
    assert set(of_all) == {100, 200, exact, record["recommended"]["rounded"]}
    assert of_all[exact]["too_long"] < 0.1 * record["pairs"]
    checked = prefdata(
        "check", pairs, "--tokenizer", tiny_model, "--max-length", "100", "--format", "json",
        "--select", "identical-after-truncation", "--exit-zero"
    )  # fmt: skip
    if checked.returncode == 0:
        (rule,) = json.loads(checked.stdout)["rules"]
        assert rule["count"] == of_all[100]["identical"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--max-length", "1"), "is not a list of lengths like 512,1024"),
        (("--max-length", "512,many"), "is not a list of lengths like 512,1024"),
        (("--recommend", "0"), "is not in the range 0<x<=1"),
        (("--tokenizer", "./nowhere"), "./nowhere: no such file or directory"),
    ],
)
def test_what_cannot_be_meant(pairs: Path, tiny_model: Path, arguments, said: str) -> None:
    ran = prefdata("lengths", pairs, "--tokenizer", tiny_model, *arguments)
    assert ran.returncode == 2
    assert said in ran.stderr
    assert ran.stdout == ""


def test_a_file_without_pairs(tmp_path: Path, tiny_model: Path) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.write_text("")
    ran = prefdata("lengths", empty, "--tokenizer", tiny_model)
    assert ran.returncode == 2
    assert ran.stderr.startswith("error: ")
