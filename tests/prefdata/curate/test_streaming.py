"""A plan over the batches of a file does what it does over the whole set, byte for byte."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from prefdata.conversion import read_pairs
from prefdata.curate.plan import read_plan
from prefdata.curate.run import curate
from prefdata.curate.streaming import can_stream, judge_file, write_judged
from prefdata.errors import InputError
from prefdata.frame import pairs_table
from prefdata.io.write import write_pairs
from tests.prefdata.pairs import pair

STEPS = [
    {"step": "fix"},
    {"step": "dedup", "how": "exact", "keep": "margin"},
    {"step": "dedup", "how": "loose"},
    {"step": "majority", "posterior": 0.6},
    {"step": "cap", "most": 900},
]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Pairs of more than one batch, out of order, with every fault that the steps remove."""
    pairs = [
        pair(f"q{n % 11}", "a" * (n % 5), "b" * (n % 7 - 1), n, margin=float(n % 4))
        for n in range(4000)
    ]
    more = [pair(f"p{n}", "yes", "no" if n % 9 else "yes ", n) for n in range(5000, 500, -1)]
    path = tmp_path / "pairs.parquet"
    write_pairs(pairs_table([*pairs, *more]), path)
    return path


@pytest.mark.parametrize("steps", [STEPS, STEPS[:1], [{"step": "sample", "share": 0.5}]])
def test_batches_give_what_the_whole_gives(
    source: Path, steps: list[dict[str, object]], tmp_path: Path
) -> None:
    plan = read_plan({"steps": steps}, "test")
    whole = curate(read_pairs(source), plan)
    assert min(whole.kept.height, whole.removed.height) > 20
    parts = {"kept": whole.kept, "removed": whole.removed}
    for name, part in parts.items():
        write_pairs(part, tmp_path / f"{name}.parquet")
    verdict = judge_file(str(source), plan)
    streamed = [tmp_path / f"{name}-streamed.parquet" for name in parts]
    write_judged(str(source), verdict, *streamed)
    for name, path in zip(parts, streamed, strict=True):
        assert pl.read_parquet(path).equals(parts[name])
        assert path.read_bytes() == (tmp_path / f"{name}.parquet").read_bytes()


def test_a_source_that_changes_between_the_passes_is_refused(source: Path, tmp_path: Path) -> None:
    verdict = judge_file(str(source), read_plan({"steps": STEPS[:1]}, "test"))
    write_pairs(read_pairs(source).head(100), source)
    with pytest.raises(InputError, match="has changed"):
        write_judged(str(source), verdict, tmp_path / "kept.parquet", tmp_path / "gone.parquet")
    assert not (tmp_path / "kept.parquet").exists()


def test_texts_that_are_compared_whole_need_the_set_in_memory(source: Path) -> None:
    near = read_plan({"steps": [{"step": "dedup", "how": "near"}]}, "test")
    assert not can_stream(str(source), near)
    assert can_stream(str(source), read_plan({"steps": STEPS}, "test"))
