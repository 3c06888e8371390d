"""`prefalign preview` shows what the run trains on."""

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from prefalign.cli.preview import command
from prefalign.config import load_run
from prefalign.tokenise import tokenise
from prefdata import read_pairs
from prefdata.tokens import load_tokenizer
from tests.command import prefalign
from tests.prefalign.toys import write_toy_pairs


@pytest.fixture
def run_file(tmp_path: Path, tiny_model: Path) -> Path:
    run = {
        "data": {"train": str(write_toy_pairs(tmp_path / "train.parquet", 12)), "max_length": 32},
        "model": {"name": str(tiny_model)},
        "method": {"name": "dpo", "beta": 0.3},
        "output": {"dir": str(tmp_path / "out")},
    }
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(run), encoding="utf-8")
    return path


def test_ids_are_those_of_the_run(
    run_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFALIGN_CACHE", str(tmp_path / "cache"))
    ran = prefalign("preview", run_file, "-n", "12", "--format", "json")
    assert ran.returncode == 0, ran.stderr
    run = load_run(run_file)
    store = tokenise(read_pairs(run.data.train), load_tokenizer(run.model.name), run.data)
    stored = {row["id"]: row for row in store.table.to_pylist()}
    shown = {p["id"]: p for p in json.loads(ran.stdout)["pairs"] if not p["dropped"]}
    assert shown.keys() == stored.keys()
    for i, row in stored.items():
        for side in ("chosen", "rejected"):
            part = shown[i][side]["completion"]
            assert part["ids"][slice(*part["kept"])] == row[f"{side}_ids"]


def test_text_names_method_and_limits(run_file: Path) -> None:
    asked = [str(run_file), "-n", "1", "--set", "data.truncation=keep_start"]
    ran = CliRunner().invoke(command, asked)
    assert ran.exit_code == 0, ran.output
    assert "max_length 32 · keep_start · dpo beta 0.3" in ran.stdout.replace("\n", " ")
    assert "⟦<|im_start|>⟧" in ran.stdout
    assert "1 of 12 pairs" in ran.stdout


def test_bad_input_is_named(run_file: Path, tmp_path: Path) -> None:
    ran = prefalign("preview", run_file, "--test")
    assert ran.returncode == 2
    assert "data.test: not set" in ran.stderr
    ran = prefalign("preview", tmp_path / "missing.yaml")
    assert ran.returncode == 2
    assert "missing.yaml" in ran.stderr
