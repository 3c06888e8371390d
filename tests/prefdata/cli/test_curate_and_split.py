"""`prefdata curate` and `prefdata split`: files, manifests, and what must never be overwritten."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import polars as pl
import pytest
import yaml

from tests.command import prefdata

ROOT = Path(__file__).parents[3]
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
    head, _, text = ran.stdout.partition("nothing was written; the plan, for --plan:")
    assert head.splitlines() == [
        "43 pairs in = 42 kept + 1 removed",
        "        1  PD501 duplicate-pair",
    ]
    assert yaml.safe_load(text) == {"steps": [{"step": "fix", "rules": ["PD501"]}]}
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
        (["none.parquet", "-o", "out.parquet"], "none.parquet"),
        (["pairs.parquet", "-o", "out.parquet", "--keep", "margin"], "add --dedup"),
        (["pairs.parquet", "-o", "out.parquet", "--cap-by", "margin"], "add --cap"),
        (["pairs.parquet", "-o", "out.parquet", "--plan", "none.yaml"], "none.yaml"),
        (
            ["pairs.parquet", "-o", "out.parquet", "--plan", "bad.yaml"],
            "steps.1.step: unknown step",
        ),
        (
            ["pairs.parquet", "-o", "out.parquet", "--plan", "bad.yaml", "--cap", "1"],
            "leave out --cap",
        ),
        (["pairs.parquet", "-o", "out.parquet", "--min-margin", "1"], "no pair has a number in"),
        (["pairs.parquet", "-o", "/proc/none/out.parquet"], "cannot be written"),
    ],
)
def test_curate_refuses(folder: Path, args: list[str], message: str) -> None:
    (folder / "mine.parquet").write_bytes(b"precious")
    (folder / "bad.yaml").write_text("steps: [{step: dedpu}]")
    before = (folder / "pairs.parquet").read_bytes()
    ran = prefdata("curate", *args, cwd=folder)
    assert ran.returncode == 2
    assert message in ran.stderr
    assert (folder / "mine.parquet").read_bytes() == b"precious"
    assert (folder / "pairs.parquet").read_bytes() == before


def scored(folder: Path) -> None:
    """Writes scored.parquet: 40 prompts with 3 answers each, of different scores and lengths."""
    rows = [
        {"instruction": f"Question {n}?", "generations": ["a" * (n + 1), "bb", "c" * (40 - n)],
         "ratings": [n % 5, 5 + n % 3, (7 * n) % 11]}
        for n in range(40)
    ]  # fmt: skip
    (folder / "ratings.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert prefdata("convert", "ratings.jsonl", "-o", "scored.parquet", cwd=folder).returncode == 0


QUANTILES = """
steps:
- {step: fix}
- {step: margin-share, share: 0.5}
- {step: rip, quantile: 0.2}
- {step: balance-length, bins: 3}
"""


def test_a_plan_of_quantiles_removes_nothing_the_second_time(folder: Path) -> None:
    scored(folder)
    (folder / "plan.yaml").write_text(QUANTILES)
    args = ["--plan", "plan.yaml"]
    ran = prefdata("curate", "scored.parquet", "-o", "one.parquet", *args, cwd=folder)
    assert ran.returncode == 0, ran.stderr
    assert {line.split()[-1] for line in ran.stdout.splitlines()[1:-1]} == {
        "margin-share", "rip", "length-balance",
    }  # fmt: skip
    kept = pl.read_parquet(folder / "one.parquet").height
    assert 0 < kept < pl.read_parquet(folder / "scored.parquet").height / 2
    ran = prefdata("curate", "one.parquet", "-o", "two.parquet", *args, cwd=folder)
    assert ran.stdout.splitlines()[0] == f"{kept} pairs in = {kept} kept + 0 removed"
    assert (folder / "two.parquet").read_bytes() == (folder / "one.parquet").read_bytes()
    settled = manifest(folder / "two.manifest.json")["settings"]["settled"]["steps"]
    assert settled == manifest(folder / "one.manifest.json")["settings"]["settled"]["steps"]
    assert settled[1]["limit"] > 0
    ran = prefdata("curate", "two.parquet", "--dry-run", "--plan", "plan.yaml", cwd=folder)
    assert ran.stdout.startswith(f"{kept} pairs in = {kept} kept + 0 removed")


def test_every_option_is_a_step(folder: Path) -> None:
    scored(folder)
    options = [
        "--select", "PD501", "--dedup", "loose", "--keep", "margin", "--majority", "--min-margin", "1",
        "--min-chosen-score", "4", "--recipe", "margin", "--cap", "2", "--cap-by", "margin",
        "--balance-length", "--sample", "0.9", "--seed", "3",
    ]  # fmt: skip
    ran = prefdata("curate", "scored.parquet", "-o", "out.parquet", *options, cwd=folder)
    assert ran.returncode == 0, ran.stderr
    plan = manifest(folder / "out.manifest.json")["settings"]["plan"]
    assert plan == {
        "steps": [
            {"step": "fix", "rules": ["PD501"]},
            {"step": "dedup", "how": "loose", "keep": "margin", "threshold": 0.8},
            {"step": "majority", "posterior": 0.9},
            {"step": "filter", "column": "margin", "min": 1.0, "missing": "remove"},
            {"step": "filter", "column": "chosen_score", "min": 4.0, "missing": "remove"},
            {"step": "margin-share", "share": 0.5, "end": "largest", "column": "margin"},
            {"step": "cap", "most": 2, "by": "margin", "seed": 3},
            {"step": "balance-length", "bins": 10, "seed": 3},
            {"step": "sample", "share": 0.9, "seed": 3},
        ]
    }


def record(folder: Path) -> list[str]:
    """Writes what runs leave: two evaluations of each pair; returns ids by their margin, least first."""
    ids = pl.read_parquet(folder / "pairs.parquet")["id"].unique(maintain_order=True)
    at = pl.int_range(pl.len()).cast(pl.Float64)
    first = pl.DataFrame({"id": ids}).with_columns(
        step=1,
        chosen_logps=at - 1,
        ref_chosen_logps=pl.lit(0.0),
        rejected_logps=pl.lit(0.0),
        ref_rejected_logps=pl.lit(0.0),
    )
    second = first.with_columns(step=2, chosen_logps=pl.col("chosen_logps") + 2)
    pl.concat([first, second]).write_parquet(folder / "pairs-train.parquet")
    return ids.to_list()


def test_the_record_of_a_run_selects_pairs(folder: Path) -> None:
    ids = record(folder)
    args = ["--recipe", "selective-dpo", "--scores", "pairs-train.parquet"]
    ran = prefdata("curate", "pairs.parquet", "-o", "easy.parquet", *args, cwd=folder)
    assert ran.returncode == 0, ran.stderr
    kept = pl.read_parquet(folder / "easy.parquet")
    removed = pl.read_parquet(folder / "easy.removed.parquet")
    hard = set(removed.filter(pl.col("reason") == "selective-dpo")["id"])
    sound = [one for one in ids if one in hard or one in set(kept["id"])]
    assert set(sound[: len(hard)]) == hard
    assert 0.4 < kept.height / len(ids) < 0.6
    assert kept.columns == pl.read_parquet(folder / "pairs.parquet").columns
    settings = manifest(folder / "easy.manifest.json")["settings"]
    digest = hashlib.sha256((folder / "pairs-train.parquet").read_bytes()).hexdigest()
    assert settings["scores"] == {"pairs-train.parquet": digest}
    again = prefdata("curate", "easy.parquet", "-o", "same.parquet", *args, cwd=folder)
    assert again.stdout.startswith(f"{kept.height} pairs in = {kept.height} kept + 0 removed")
    other = pl.read_parquet(folder / "pairs-train.parquet").with_columns(id=pl.lit("0"))
    other.write_parquet(folder / "other.parquet")
    ran = prefdata(
        "curate", "pairs.parquet", "--dry-run", *args[:2], "--scores", "other.parquet", cwd=folder
    )
    assert (ran.returncode, "other.parquet: scores none of these 43 pairs" in ran.stderr) == (
        2,
        True,
    )
    ran = prefdata("curate", "pairs.parquet", "--dry-run", *args[:2], cwd=folder)
    assert (ran.returncode, "add --scores FILE" in ran.stderr) == (2, True)
    ran = prefdata("curate", "pairs.parquet", "--dry-run", "--recipe", "selective", cwd=folder)
    assert (ran.returncode, "did you mean 'selective-dpo'?" in ran.stderr) == (2, True)


def test_recipes_and_plans_are_compared(folder: Path) -> None:
    record(folder)
    (folder / "mine.yaml").write_text(
        "steps: [{step: filter, column: implicit_margin, min: 0, max: 9}]"
    )
    args = ["pairs.parquet", "--scores", "pairs-train.parquet", "--overlap"]
    ran = prefdata("curate", *args, "mine.yaml,implicit-margin,selective-dpo", cwd=folder)
    assert ran.returncode == 0, ran.stderr
    lines = ran.stdout.splitlines()
    assert lines[0] == "43 pairs"
    assert lines[1].split() == ["keeps", "implicit-margin", "selective-dpo"]
    assert [line.split()[0] for line in lines[2:5]] == ["mine.yaml", *lines[1].split()[1:]]
    ran = prefdata("curate", *args, "all", "--format", "json", cwd=folder)
    found = json.loads(ran.stdout)
    schema = json.loads((ROOT / "schemas" / "overlap-v1.json").read_text())
    jsonschema.validate(found, schema)
    without = {
        "dual-margin",
        "margin",
        "perplexity-difference",
        "rip",
    }  # no scores, no token counts
    assert {one["name"] for one in found["skipped"]} == without
    (same,) = [
        a
        for a in found["agreements"]
        if {a["one"], a["other"]} == {"implicit-margin", "selective-dpo"}
    ]
    assert same["jaccard"] > 0.9  # one loss falls as one margin grows
    ran = prefdata("curate", *args, "all", "--cap", "2", cwd=folder)
    assert (ran.returncode, "leave out --cap" in ran.stderr) == (2, True)


def test_a_reader_that_stops_reading_does_not_stop_the_writing(folder: Path) -> None:
    program = f"{sys.executable} -m prefdata curate pairs.parquet -o kept.parquet"
    root = str(Path(__file__).parents[3])
    env = os.environ | {"PYTHONPATH": root}
    subprocess.run(f"{program} | true", shell=True, cwd=folder, env=env, check=True)
    assert pl.read_parquet(folder / "kept.parquet").height == 40


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
    assert "(rows split at random: " in ran.stdout
    leak = ["check", "data/train.parquet", "--against", "data/test.parquet", "--select", "PD504"]
    assert prefdata(*leak, cwd=folder).returncode == 0


def test_split_by_near_duplicates_tells_of_both(folder: Path) -> None:
    ran = prefdata("split", "pairs.parquet", "-o", "d", "--by", "near", cwd=folder)
    assert ran.returncode == 0, ran.stderr
    assert "of its near-duplicate groups)" in ran.stdout


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
        (["--test", "x"], "--test"),
    ],
)
def test_split_refuses(folder: Path, options: list[str], message: str) -> None:
    ran = prefdata("split", "pairs.parquet", "-o", "d", *options, cwd=folder)
    assert ran.returncode == 2
    assert message in ran.stderr
    assert not (folder / "d").exists()


@pytest.mark.parametrize("rows", [ROWS[:1], ROWS[41:42]], ids=["one-prompt", "nothing-left"])
def test_small_sets_are_no_trouble(tmp_path: Path, rows: list[dict[str, str]]) -> None:
    (tmp_path / "votes.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    prefdata("convert", "votes.jsonl", "-o", "pairs.parquet", cwd=tmp_path)
    ran = prefdata("curate", "pairs.parquet", "-o", "kept.parquet", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    for args in (
        [
            "curate",
            "kept.parquet",
            "-o",
            "again.parquet",
            "--dedup",
            "near",
            "--majority",
            "--cap",
            "1",
        ],
        ["pairs", "kept.parquet", "-o", "best.parquet", "--pairs-by", "best-worst"],
        ["diff", "kept.parquet", "again.parquet"],
    ):
        ran = prefdata(*args, cwd=tmp_path)
        assert ran.returncode == 0, ran.stderr
    ran = prefdata("split", "kept.parquet", "-o", "d", cwd=tmp_path)
    assert ran.returncode == 2
    assert "too few" in ran.stderr
