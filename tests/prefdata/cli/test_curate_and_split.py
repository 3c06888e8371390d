"""`prefdata curate` and `prefdata split`: files, manifests, and what must never be overwritten."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import jsonschema
import polars as pl
import pytest

from tests.command import prefdata

ROWS = [
    *({"prompt": f"Question {n}?", "chosen": "Yes.", "rejected": "No."} for n in range(40)),
    {"prompt": "Question 3?", "chosen": "Yes.", "rejected": "No."},
    {"prompt": "Question 4?", "chosen": "Maybe.", "rejected": "Maybe."},
    {"prompt": "Question 5?", "chosen": "Yes.", "rejected": " "},
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with pairs.parquet, converted from ROWS."""
    (tmp_path / "votes.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    assert prefdata("convert", "votes.jsonl", "-o", "pairs.parquet", cwd=tmp_path).returncode == 0
    return tmp_path


def manifest(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text())
    jsonschema.validate(content, json.loads(prefdata("schema", "manifest").stdout))
    for entry in content["outputs"]:
        written = path.parent / entry["file"]
        assert hashlib.sha256(written.read_bytes()).hexdigest() == entry["sha256"]
        assert pl.read_parquet(written).height == entry["rows"]
    return content


def test_curate_keeps_removes_and_accounts(folder: Path) -> None:
    ran = prefdata("curate", "pairs.parquet", "-o", "kept.parquet", cwd=folder)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines() == [
        "43 pairs in = 40 kept + 3 removed",
        "        1  PD104 empty-completion",
        "        1  PD201 identical-pair",
        "        1  PD501 duplicate-pair",
        "wrote kept.parquet, kept.removed.parquet",
    ]
    ledger = manifest(folder / "kept.manifest.json")
    assert ledger["counts"]["rows"] == 43
    assert ledger["counts"]["pairs"] == 40
    assert sum(ledger["reasons"].values()) == 3
    removed = pl.read_parquet(folder / "kept.removed.parquet")
    assert dict(removed.select("row", "reason").iter_rows()) == {
        41: "duplicate-pair",
        42: "identical-pair",
        43: "empty-completion",
    }
    assert prefdata("check", "kept.parquet", "--select", "PD2,PD104", cwd=folder).returncode == 0


def test_curating_again_changes_nothing(folder: Path) -> None:
    prefdata("curate", "pairs.parquet", "-o", "one.parquet", cwd=folder)
    first = (folder / "one.parquet").read_bytes()
    prefdata("curate", "pairs.parquet", "-o", "one.parquet", cwd=folder)
    assert (folder / "one.parquet").read_bytes() == first
    ran = prefdata("curate", "one.parquet", "-o", "two.parquet", cwd=folder)
    assert ran.stdout.splitlines() == ["40 pairs in = 40 kept + 0 removed", "wrote two.parquet"]
    assert (folder / "two.parquet").read_bytes() == first


def test_a_part_of_an_earlier_run_does_not_stay(folder: Path) -> None:
    prefdata("curate", "pairs.parquet", "-o", "out.parquet", cwd=folder)
    prefdata("curate", "pairs.parquet", "-o", "out.parquet", "--select", "tied-score", cwd=folder)
    assert not (folder / "out.removed.parquet").exists()
    assert pl.read_parquet(folder / "out.parquet").height == 43


def test_dry_run_writes_nothing(folder: Path) -> None:
    before = sorted(folder.iterdir())
    ran = prefdata("curate", "pairs.parquet", "--dry-run", "--select", "PD501", cwd=folder)
    assert ran.stdout.splitlines()[0] == "43 pairs in = 42 kept + 1 removed"
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["pairs.parquet"], "name the output with -o"),
        (["pairs.parquet", "-o", "pairs.parquet"], "is also an input"),
        (["votes.jsonl", "-o", "out.parquet"], "prefdata convert votes.jsonl -o"),
        (["pairs.parquet", "-o", "mine.parquet"], "was not written by prefdata"),
        (["pairs.parquet", "-o", "out.parquet", "--select", "PD308"], "length-bias has no fix"),
        (["pairs.parquet", "-o", "out.xlsx"], "cannot tell the output format"),
    ],
)
def test_curate_refuses(folder: Path, args: list[str], message: str) -> None:
    (folder / "mine.parquet").write_bytes(b"precious")
    before = (folder / "pairs.parquet").read_bytes()
    ran = prefdata("curate", *args, cwd=folder)
    assert ran.returncode == 2
    assert message in ran.stderr
    assert (folder / "mine.parquet").read_bytes() == b"precious"
    assert (folder / "pairs.parquet").read_bytes() == before


def test_removed_pairs_never_overwrite_what_is_read(folder: Path) -> None:
    prefdata("curate", "pairs.parquet", "-o", "kept.parquet", cwd=folder)
    before = (folder / "kept.removed.parquet").read_bytes()
    ran = prefdata("curate", "kept.removed.parquet", "-o", "kept.parquet", cwd=folder)
    assert ran.returncode == 2
    assert (folder / "kept.removed.parquet").read_bytes() == before


def test_split_by_prompt(folder: Path) -> None:
    args = ["split", "pairs.parquet", "-o", "data", "--test", "0.2", "--validation", "0.1"]
    ran = prefdata(*args, cwd=folder)
    assert ran.returncode == 0, ran.stderr
    assert "prompts in more than one part: 0" in ran.stdout
    parts = {
        name: pl.read_parquet(folder / "data" / f"{name}.parquet")
        for name in ("train", "test", "validation")
    }
    whole = pl.read_parquet(folder / "pairs.parquet")
    assert pl.concat(parts.values()).sort("row").equals(whole.sort("row"))
    assert abs(parts["test"].height - 0.2 * 43) <= 1
    for name in parts:
        ledger = manifest(folder / "data" / f"{name}.manifest.json")
        assert ledger["counts"]["pairs"] == 43
        assert ledger["settings"] == {
            "by": "prompt",
            "seed": 0,
            "test": 0.2,
            "validation": 0.1,
        }
    leak = ["check", "data/train.parquet", "--against", "data/test.parquet", "--select", "PD504"]
    assert prefdata(*leak, cwd=folder).returncode == 0


def test_split_again_is_the_same_and_leaves_no_old_part(folder: Path) -> None:
    def split(*options: str) -> bytes:
        assert prefdata("split", "pairs.parquet", "-o", "d", *options, cwd=folder).returncode == 0
        return (folder / "d" / "test.parquet").read_bytes()

    first = split("--validation", "0.1")
    assert (folder / "d" / "validation.parquet").exists()
    assert split() == first
    assert not (folder / "d" / "validation.parquet").exists(), "a stale part would leak"
    assert split("--seed", "1") != first


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--test", "0.001"], "40 prompts are too few: test would be empty"),
        (["--test", "0.6", "--validation", "0.5"], "leave nothing for train"),
        (["--test", "1.5"], "--test"),
    ],
)
def test_split_refuses(folder: Path, options: list[str], message: str) -> None:
    ran = prefdata("split", "pairs.parquet", "-o", "d", *options, cwd=folder)
    assert ran.returncode == 2
    assert message in ran.stderr
    assert not (folder / "d").exists()
