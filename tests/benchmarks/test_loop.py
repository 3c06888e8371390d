"""The benchmark of the loop back into the data: its figures from files made by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.loop import CURATED, FLIPPED, Found, Trial, accuracy
from prefalign.records.run import PAIRS_FILE


def test_doubts_are_counted_where_the_flips_are() -> None:
    """Of 2 x 3 pairs of a flipped and another one, 5 are in order; of the 2 worst, one is flipped."""
    doubt = np.array([0.9, 0.8, 0.7, 0.2, 0.1])
    flipped = np.array([True, False, True, False, False])
    assert Found.of(doubt, flipped) == Found(auroc=5 / 6, precision=0.5)


def test_accuracies_are_those_of_the_held_out_pairs(tmp_path: Path) -> None:
    """The first run has 1 of 4 right and half a tie, the second 3; differences 1.5 of 4."""
    for arm, moved in ((FLIPPED, [1, -1, 0, -1]), (CURATED, [1, 1, -1, 1])):
        (tmp_path / arm).mkdir()
        pl.DataFrame(
            {
                "id": list("abcd"),
                "chosen_logps": [float(m) for m in moved],
                "rejected_logps": 0.0,
                "ref_chosen_logps": 0.0,
                "ref_rejected_logps": 0.0,
                "chosen_tokens": 1,
                "rejected_tokens": 1,
            }
        ).write_parquet(tmp_path / arm / PAIRS_FILE)
    trial = Trial(0, 0.1, tmp_path, tmp_path, [])
    prompts = pl.DataFrame({"id": list("abcd"), "prompt_id": list("abcd")})
    flipped, curated, difference = accuracy([trial], prompts).splitlines()[2:]
    assert [cell.strip() for cell in flipped.split("|")][2::2] == ["37.5", "37.5"]
    assert [cell.strip() for cell in curated.split("|")][2::2] == ["75.0", "75.0"]
    assert [cell.strip() for cell in difference.split("|")][2::2] == ["37.5", "37.5"]
