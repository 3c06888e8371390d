"""`prefdata push`: the folder that is uploaded, its card, and what happens without a hub."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

import prefdata as library
from tests.command import prefdata

ROWS = [
    *({"prompt": f"Question {n}?", "chosen": "Yes.", "rejected": "No."} for n in range(20)),
    {"prompt": "Question 3?", "chosen": None, "rejected": "No."},
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with pairs.parquet of ROWS, and data/ with its splits."""
    folder = tmp_path_factory.mktemp("push")
    (folder / "votes|`x`.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    for args in (
        ["convert", "votes|`x`.jsonl", "-o", "pairs.parquet"],
        ["split", "pairs.parquet", "-o", "data", "--test", "0.2"],
    ):
        ran = prefdata(*args, cwd=folder)
        assert ran.returncode == 0, ran.stderr
    return folder


def card(folder: Path) -> tuple[dict[str, Any], str]:
    text = (folder / "README.md").read_text()
    _, header, body = text.split("---\n", 2)
    return yaml.safe_load(header), body


def test_a_file_becomes_a_dataset_with_a_card(folder: Path) -> None:
    ran = prefdata("push", "pairs.parquet", "me/prefs", "--dry-run", "up", cwd=folder)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == ["up/README.md", "up/data/train.parquet"]
    header, body = card(folder / "up")
    assert header["license"] == "unknown"
    assert header["size_categories"] == ["n<1K"]
    assert header["configs"][0]["data_files"] == [{"split": "train", "path": "data/train.parquet"}]
    assert "TO BE FILLED IN" in body
    assert "| train | 20 | 20 |" in body
    assert "21 rows in: 20 gave 20 pairs" in body
    assert "| `null-text` | 1 |" in body
    assert "| `trl-standard` | 21 |" in body
    assert r"`` votes\|`x` `` | 20 |" in body, "a name is code, and does not end its cell"


def test_the_uploaded_set_is_the_same_set(folder: Path) -> None:
    ran = prefdata(
        "push", "data", "me/prefs", "--dry-run", "up-splits", "--licence", "mit", cwd=folder
    )
    assert ran.returncode == 0, ran.stderr
    header, body = card(folder / "up-splits")
    assert header["license"] == "mit"
    assert [f["split"] for f in header["configs"][0]["data_files"]] == ["train", "test"]
    assert "| train | 16 | 16 |\n| test | 4 | 4 |" in body
    for split in ("train", "test"):
        uploaded = library.read_pairs(folder / "up-splits" / "data" / f"{split}.parquet")
        assert uploaded.equals(pl.read_parquet(folder / "data" / f"{split}.parquet"))


def test_the_licence_is_the_manifest_s_unless_another_is_named(tmp_path: Path) -> None:
    (tmp_path / "votes.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    for args in (
        ["convert", "votes.jsonl", "-o", "pairs.parquet", "--licence", "cc-by-4.0"],
        ["split", "pairs.parquet", "-o", "data", "--test", "0.2"],
        ["push", "data", "me/prefs", "--dry-run", "up"],
        ["push", "data", "me/prefs", "--dry-run", "up-mit", "--licence", "mit"],
    ):
        ran = prefdata(*args, cwd=tmp_path)
        assert ran.returncode == 0, ran.stderr
    assert card(tmp_path / "up")[0]["license"] == "cc-by-4.0"
    assert card(tmp_path / "up-mit")[0]["license"] == "mit"


def test_datasets_reads_the_folder_as_the_card_says(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import datasets

    prefdata("push", "data", "me/prefs", "--dry-run", "up-datasets", cwd=folder)
    found = datasets.load_dataset(str(folder / "up-datasets"), cache_dir=str(tmp_path / "cache"))
    assert {split: len(part) for split, part in found.items()} == {"train": 16, "test": 4}
    assert found["test"][0]["chosen"][0]["content"] == "Yes."


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["pairs.parquet", "me/prefs"], "cannot be uploaded"),
        (["pairs.parquet", "me/prefs:config", "--dry-run", "up-refused"], "not OWNER/NAME"),
        (["pairs.parquet", "prefs", "--dry-run", "up-refused"], "not OWNER/NAME"),
        (["none.parquet", "me/prefs", "--dry-run", "up-refused"], "no such file"),
        (["pairs.parquet", "me/prefs", "--dry-run", "data"], "is not empty"),
        (
            ["votes|`x`.jsonl", "me/prefs", "--dry-run", "up-refused"],
            "not a set of canonical pairs",
        ),
        ([".", "me/prefs", "--dry-run", "up-refused"], "has no train.parquet"),
    ],
)
def test_push_refuses(folder: Path, args: list[str], message: str) -> None:
    ran = prefdata("push", *args, cwd=folder)
    assert ran.returncode == 2
    assert message in ran.stderr
    assert not (folder / "up-refused" / "README.md").exists()
