"""The six bad inputs that end in a traceback, or in silent training, elsewhere: ours name file, row, remedy."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.command import prefalign, prefdata

GOOD = {"prompt": "Name a colour.", "chosen": "Blue is a colour.", "rejected": "No."}


def lines(path: Path, *rows: Any) -> Path:
    path.write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in rows))
    return path


def run_file(folder: Path, train: Path, model: Path | str = "nowhere/model", **method: Any) -> Path:
    config = {
        "data": {"train": str(train), "max_length": 64},
        "model": {"name": str(model)},
        "method": {"name": "dpo"} | method,
        "output": {"dir": str(folder / "run")},
    }
    path = folder / "run.yaml"
    path.write_text(json.dumps(config, indent=2))  # JSON is YAML
    return path


def test_wrong_columns(tmp_path: Path) -> None:
    source = lines(tmp_path / "in.jsonl", {"question": "q", "good": "a", "bad": "b"})
    for command in (["check", source], ["convert", source, "-o", tmp_path / "out.parquet"]):
        ran = prefdata(*command)
        assert ran.returncode == 2
        assert "in.jsonl: no known layout has these columns: question, good, bad" in ran.stderr
        assert "--map prompt=COLUMN" in ran.stderr
    mapped = ["--map", "prompt=question,chosen=good,rejected=bad"]
    assert prefdata("convert", source, "-o", tmp_path / "out.parquet", *mapped).returncode == 0


def test_one_malformed_line(tmp_path: Path) -> None:
    source = lines(
        tmp_path / "in.jsonl", GOOD, '{"prompt": "q", "chosen": "a', GOOD | {"prompt": "p"}
    )
    ran = prefdata("check", source)
    assert ran.returncode == 1
    assert "in.jsonl:2" in ran.stdout
    assert "malformed-json" in ran.stdout
    converted = prefdata("convert", source, "-o", tmp_path / "out.parquet")
    assert converted.returncode == 0
    assert "1 quarantined" in converted.stdout


def test_null_chosen(tmp_path: Path) -> None:
    ran = prefdata("check", lines(tmp_path / "in.jsonl", GOOD, GOOD | {"chosen": None}))
    assert ran.returncode == 1
    assert "in.jsonl:2" in ran.stdout
    assert "null-text" in ran.stdout
    assert "chosen" in ran.stdout


def test_a_typo_in_the_run_file(tmp_path: Path) -> None:
    prefdata("convert", lines(tmp_path / "in.jsonl", GOOD), "-o", tmp_path / "pairs.parquet")
    config = run_file(tmp_path, tmp_path / "pairs.parquet", bta=0.9)
    for command in ("validate", "train"):
        ran = prefalign(command, config)
        assert ran.returncode == 2
        assert "run.yaml" in ran.stderr
        assert "bta" in ran.stderr
        assert "did you mean 'beta'?" in ran.stderr
        assert len(ran.stderr.splitlines()) < 6


def test_identical_pairs(tmp_path: Path, tiny_model: Path) -> None:
    source = lines(tmp_path / "in.jsonl", GOOD, GOOD | {"rejected": GOOD["chosen"]})
    checked = prefdata("check", source)
    assert checked.returncode == 1
    assert "in.jsonl:2" in checked.stdout
    assert "identical-pair" in checked.stdout
    prefdata("convert", source, "-o", tmp_path / "pairs.parquet")
    env = {"PREFALIGN_CACHE": str(tmp_path / "cache")}
    refused = prefalign(
        "train", run_file(tmp_path, tmp_path / "pairs.parquet", tiny_model), env=env
    )
    assert refused.returncode == 2
    assert "identical-pair" in refused.stderr
    assert "in.jsonl:2" in refused.stderr
    assert "prefdata curate" in refused.stderr
    assert not (tmp_path / "run" / "model").exists()


def test_an_implicit_prompt_that_ends_inside_a_word(tmp_path: Path) -> None:
    row = {"chosen": "Q: colour? A: blue", "rejected": "Q: colour? A: black"}
    source = lines(tmp_path / "in.jsonl", row)
    ran = prefdata("check", source)
    assert ran.returncode == 1
    assert "in.jsonl:1" in ran.stdout
    assert "prompt-split-inside-word" in ran.stdout
    mended = prefdata("convert", source, "-o", tmp_path / "out.jsonl", "--prompt-ends-with", "A:")
    assert mended.returncode == 0
    pair = json.loads((tmp_path / "out.jsonl").read_text())
    assert pair["prompt"] == [{"role": "user", "content": "Q: colour? A:"}]
    assert pair["chosen"] == [{"role": "assistant", "content": " blue"}]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["convert", "nowhere.jsonl", "-o", "x.parquet"], "nowhere.jsonl: no such file"),
        (["convert", ".", "-o", "x.parquet"], "is a directory"),
        (["explain", "identical-pears"], "did you mean 'identical-pair'?"),
        (["formats", "hh-rhlf"], "did you mean 'hh-rlhf'?"),
        (["chek"], "did you mean 'check'?"),
        (["convert", "--map", "prompt", "x.csv", "-o", "x.parquet"], "OURS=THEIRS"),
    ],
)
def test_usage_errors_are_short_and_end_with_2(
    tmp_path: Path, args: list[str], message: str
) -> None:
    ran = prefdata(*args, cwd=tmp_path)
    assert ran.returncode == 2
    assert message in ran.stderr
    assert len(ran.stderr.splitlines()) <= 6
