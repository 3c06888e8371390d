"""The near-duplicate benchmark plants what it says, and every side reads and writes the same."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from benchmarks.near import ALIKE, couples, planted_rows, shingles
from benchmarks.near_sides import run_datasketch, run_prefdata


def test_planted_copies_are_as_alike_as_asked_and_both_sides_find_them(tmp_path: Path) -> None:
    rows = planted_rows(2000, None)
    texts = rows.drop_nulls("couple").group_by("couple").agg("text")["text"].to_list()
    for one, other in texts:
        ours, theirs = shingles(one), shingles(other)
        assert ALIKE[0] <= len(ours & theirs) / len(ours | theirs) <= ALIKE[1]
    rows.select("id", "text").write_parquet(tmp_path / "rows.parquet")
    for side in (run_prefdata, run_datasketch):
        side(tmp_path / "rows.parquet", tmp_path / "kept.parquet")
        gone = rows.join(pl.read_parquet(tmp_path / "kept.parquet"), on="id", how="anti")
        assert couples(gone) >= 0.95 * couples(rows) > 0
