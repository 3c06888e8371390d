"""`prefdata mix`, `pairs` and `diff`: shares as asked, and every difference named."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from prefdata.types import Vote
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
        (["a.parquet=1", "--tokenizer", "x"], "go together"),
        (["a.parquet=1", "none.parquet=2"], "none.parquet"),
        (["a.parquet=1", "b.parquet=nan"], "is not SRC=WEIGHT"),
    ],
)
def test_mix_refuses(folder: Path, args: list[str], message: str) -> None:
    ran = prefdata("mix", *args, "-o", "m.parquet", cwd=folder)
    assert ran.returncode == 2
    assert message in ran.stderr


def test_mix_by_tokens(folder: Path, tiny_model: Path) -> None:
    sets = ["a.parquet=1", "b.parquet=1"]
    options = ["--by", "tokens", "--tokenizer", tiny_model]
    ran = prefdata("mix", *sets, "-o", "m.parquet", *options, cwd=folder)
    assert ran.returncode == 0, ran.stderr
    head, *lines = ran.stdout.splitlines()[:3]
    assert "tokens" in head
    given = [int(line.split()[3].replace(",", "")) for line in lines]
    assert 0.8 < given[0] / given[1] < 1.25
    ran = prefdata("mix", *sets, "-o", "m.parquet", "--by", "tokens", "--tokenizer", "none/none", cwd=folder)  # fmt: skip
    assert ran.returncode == 2


RATINGS = [
    {"instruction": "Name a colour.", "generations": [f"answer {n}" for n in range(4)],
     "ratings": [5, 3, 3, 2]},
    {"instruction": "Name a fruit.", "generations": ["apple", "pear"], "ratings": [1, 2]},
]  # fmt: skip


@pytest.fixture
def ranked(folder: Path) -> Path:
    """A folder with ranked.parquet: 6 pairs and a tie, of two rankings."""
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in RATINGS))
    assert prefdata("convert", "rows.jsonl", "-o", "ranked.parquet", cwd=folder).returncode == 0
    return folder


@pytest.mark.parametrize(
    "options",
    [
        ["--pairs-by", "adjacent"],
        ["--pairs-by", "best-random", "--seed", "3"],
        ["--pairs-by", "every", "--min-margin", "2"],
        ["--pairs-by", "every", "--max-per-prompt", "2", "--pair-weights"],
    ],
    ids=" ".join,
)
def test_pairs_gives_what_converting_again_would(ranked: Path, options: list[str]) -> None:
    ran = prefdata("pairs", "ranked.parquet", "-o", "anew.parquet", *options, cwd=ranked)
    assert ran.returncode == 0, ran.stderr
    assert (
        prefdata("convert", "rows.jsonl", "-o", "c.parquet", *options, cwd=ranked).returncode == 0
    )
    for part in (".parquet", ".ties.parquet", ".unpaired.parquet"):
        wanted, given = ranked / f"c{part}", ranked / f"anew{part}"
        assert wanted.exists() == given.exists()
        if wanted.exists():
            one, other = pl.read_parquet(wanted), pl.read_parquet(given)
            assert sorted(map(str, one.rows())) == sorted(map(str, other.rows()))
    back = ["--pairs-by", "every"]
    assert (
        prefdata("pairs", "anew.parquet", "-o", "back.parquet", *back, cwd=ranked).returncode == 0
    )
    if "best-random" not in options:
        assert prefdata("diff", "ranked.parquet", "back.parquet", cwd=ranked).returncode == 0


def test_pairs_says_and_notes_what_was_not_carried(ranked: Path) -> None:
    best = ["--pairs-by", "best-worst"]
    ran = prefdata("pairs", "ranked.parquet", "-o", "best.parquet", *best, cwd=ranked)
    assert ran.stdout.splitlines() == [
        "1 rankings paired by best-worst",
        "pairs            6 ->         2  2 as they were, 0 new, 4 no longer made",
        "ties             1 ->         0  0 as they were, 0 new, 1 no longer made",
        "wrote best.parquet",
    ]
    ledger = json.loads((ranked / "best.manifest.json").read_text())
    assert ledger["counts"]["rows"] == 7
    assert ledger["reasons"] == {"not-by-best-worst": 5}
    assert [entry["file"] for entry in ledger["inputs"]] == [
        "ranked.parquet",
        "ranked.ties.parquet",
    ]
    ran = prefdata("pairs", "best.parquet", "-o", "all.parquet", "--pairs-by", "every", cwd=ranked)
    assert "not here: best.parquet was made by best-worst" in ran.stdout
    assert json.loads((ranked / "all.manifest.json").read_text())["settings"]["not_here"]


def test_pairs_with_votes_that_are_no_longer_made_are_counted(folder: Path) -> None:
    votes = (Vote("chosen", "ann"),)
    chain = [pair("q", "a", "b", votes=votes, chosen_first=True), pair("q", "b", "c", votes=votes)]
    cycle = [pair("p", *sides) for sides in ("ab", "bc", "ca")]
    frame(*chain, *cycle).write_parquet(folder / "votes.parquet")
    args = ["pairs", "votes.parquet", "-o", "best.parquet", "--pairs-by", "best-worst"]
    ran = prefdata(*args, cwd=folder)
    assert ran.returncode == 0, ran.stderr
    assert "not carried: votes of 2 pairs that are no longer made" in ran.stdout
    assert "3  removed: preference-cycle" in ran.stdout
    assert pl.read_parquet(folder / "best.removed.parquet").height == 3
    ledger = json.loads((folder / "best.manifest.json").read_text())
    assert ledger["settings"]["not_carried"] == {"votes": 2, "chosen_first": 1}
    assert ledger["reasons"] == {"not-by-best-worst": 2, "preference-cycle": 3}
    args = ["pairs", "best.removed.parquet", "-o", "best.parquet", "--pairs-by", "every"]
    assert prefdata(*args, cwd=folder).returncode == 2, "it would overwrite what it reads"
    assert pl.read_parquet(folder / "best.removed.parquet").height == 3


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["ranked.parquet", "-o", "x.parquet"], "--pairs-by"),
        (["none.parquet", "-o", "x.parquet", "--pairs-by", "every"], "none.parquet"),
        (["ranked.parquet", "-o", "ranked.parquet", "--pairs-by", "every"], "also an input"),
        (
            ["ranked.parquet", "-o", "x.xlsx", "--pairs-by", "every"],
            "cannot tell the output format",
        ),
        (["rows.jsonl", "-o", "x.parquet", "--pairs-by", "every"], "not a set of canonical pairs"),
    ],
)
def test_pairs_refuses(ranked: Path, args: list[str], message: str) -> None:
    ran = prefdata("pairs", *args, cwd=ranked)
    assert ran.returncode == 2
    assert message in ran.stderr
    assert not (ranked / "x.parquet").exists()


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
