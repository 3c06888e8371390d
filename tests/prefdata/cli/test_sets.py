"""`prefdata mix` and `prefdata diff`: shares as asked, and every difference named."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from tests.command import prefdata
from tests.prefdata.pairs import frame, pair


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    frame(*(pair(f"q{n}", "a", "b", n) for n in range(1, 31))).write_parquet(tmp_path / "a.parquet")
    more = [pair(f"p{n}", "a" * n, "b", n) for n in range(1, 11)]
    frame(*more, pair("q1", "a", "b", 99)).write_parquet(tmp_path / "b.parquet")
    return tmp_path


def test_mix_gives_each_set_its_share(folder: Path) -> None:
    args = ["mix", "a.parquet=3", "b.parquet=1", "-o", "m.parquet"]
    ran = prefdata(*args, cwd=folder)
    assert ran.returncode == 0, ran.stderr
    assert "repeated ids: " in ran.stdout
    first = (folder / "m.parquet").read_bytes()
    mixed = pl.read_parquet(folder / "m.parquet")
    assert mixed.height == 40
    assert mixed["id"].n_unique() + int("repeated ids: 1" in ran.stdout) == 40
    ledger = json.loads((folder / "m.manifest.json").read_text())
    assert ledger["counts"]["rows"] == 41
    assert ledger["reasons"] == {"not-drawn": 1}
    prefdata(*args, cwd=folder)
    assert (folder / "m.parquet").read_bytes() == first


def test_mix_by_characters_and_with_repeats(folder: Path) -> None:
    args = ["mix", "a.parquet=1", "b.parquet=1", "-o", "m.parquet", "--by", "characters"]
    ran = prefdata(*args, cwd=folder)
    shares = [float(line.split()[-1].rstrip("%")) for line in ran.stdout.splitlines()[1:3]]
    assert shares == pytest.approx([50, 50], abs=6)
    ran = prefdata(
        "mix", "a.parquet=1", "b.parquet=1", "-o", "m.parquet", "--size", "60", cwd=folder
    )
    assert ran.returncode == 2
    assert "set 2 holds 11 and would have to give 30" in ran.stderr
    options = ["--size", "60", "--repeat"]
    ran = prefdata("mix", "a.parquet=1", "b.parquet=1", "-o", "m.parquet", *options, cwd=folder)
    assert ran.returncode == 0, ran.stderr
    assert pl.read_parquet(folder / "m.parquet").height == 60


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["a.parquet"], "is not SRC=WEIGHT"),
        (["a.parquet=0"], "is not SRC=WEIGHT"),
        (["a.parquet=1", "--by", "tokens"], "go together"),
        (["a.parquet=1", "a.parquet=2"], "named twice"),
    ],
)
def test_mix_refuses(folder: Path, args: list[str], message: str) -> None:
    ran = prefdata("mix", *args, "-o", "m.parquet", cwd=folder)
    assert ran.returncode == 2
    assert message in ran.stderr


def test_diff_names_every_difference(folder: Path) -> None:
    old = [
        pair("q", "a", "b", 1),
        pair("q", "c", "d", 2),
        pair("q", "e", "f", 3),
        pair("q", "g", "h"),
    ]
    new = [
        pair("q", "g", "h", 9, margin=2.0),
        pair("q", "a", "b", 1),
        pair("q", "d", "c", 2),
        pair("q", "x", "y", 4),
        pair("q", "a", "b", 5),
    ]
    frame(*old).write_parquet(folder / "old.parquet")
    frame(*new).write_parquet(folder / "new.parquet")
    ran = prefdata("diff", "old.parquet", "new.parquet", "--json", cwd=folder)
    assert ran.returncode == 1, ran.stderr
    counts = json.loads(ran.stdout)["counts"]
    assert counts == {"added": 2, "removed": 1, "relabelled": 1, "moved": 0, "rated": 1}
    ran = prefdata("diff", "old.parquet", "new.parquet", "--exit-zero", "-n", "1", cwd=folder)
    assert ran.returncode == 0
    assert "1  relabelled" in ran.stdout
    assert prefdata("diff", "old.parquet", "old.parquet", cwd=folder).returncode == 0


def test_diff_of_splits_finds_what_moved(folder: Path) -> None:
    for seed in ("0", "1"):
        prefdata(
            "split", "a.parquet", "-o", f"d{seed}", "--test", "0.5", "--seed", seed, cwd=folder
        )
    ran = prefdata("diff", "d0", "d1", "--json", cwd=folder)
    assert ran.returncode == 1
    counts = json.loads(ran.stdout)["counts"]
    tests = [set(pl.read_parquet(folder / f"d{n}" / "test.parquet")["id"]) for n in (0, 1)]
    assert counts["moved"] == len(tests[0] ^ tests[1]) > 0
    assert counts["added"] == counts["removed"] == 0
