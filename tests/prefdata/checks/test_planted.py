"""Faults planted in real prose are found: the right ones, on the right side, whatever the seed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from benchmarks.faults import later_prompts, similar
from benchmarks.plant import EDITS, contaminated, jaccard, leaning, near_copies, vote_rows
from prefdata import check
from prefdata.checks import Benchmark
from prefdata.conversion import convert
from tests.prefdata.near.oracle import paragraphs
from tests.prefdata.pairs import frame, pair

SEEDS = range(5)
PROSE = paragraphs()
ASKED, EVALUATION = PROSE[::2], PROSE[1::2]


@pytest.fixture(scope="module")
def pairs() -> pl.DataFrame:
    """Real paragraphs, asked about; answers hold no word of the evaluation set."""
    return frame(*(pair(text, f"Yes, {n}.", f"No, {n}.", n) for n, text in enumerate(ASKED)))


@pytest.mark.parametrize("seed", SEEDS)
def test_near_copies_are_found_and_nothing_else(pairs: pl.DataFrame, seed: int) -> None:
    planted = near_copies(pairs, 0.1, 0.82, seed)  # 0.80 to 0.84
    truth = later_prompts(planted.pairs)
    ids = check(planted.pairs, select=["near-duplicate-prompt"]).frame["id"]
    found = set(planted.pairs.filter(pl.col("id").is_in(ids.implode()))["prompt_id"])
    assert len(truth) >= len(planted.kinds) > 40
    assert len(found & truth) >= 0.98 * len(truth)
    assert found <= truth


def test_similar_pairs_are_those_that_comparing_all_finds() -> None:
    rng = np.random.default_rng(0)
    sets = [frozenset(rng.choice(12, rng.integers(1, 9)).tolist()) for _ in range(80)]
    for threshold in (0.5, 0.7, 1.0):
        found = sorted(similar(sets, threshold))
        assert found == sorted(
            (i, j) for j in range(80) for i in range(j) if jaccard(sets[i], sets[j]) >= threshold
        )


@pytest.mark.parametrize("seed", SEEDS)
def test_evaluation_prompts_are_found_however_they_are_written(
    pairs: pl.DataFrame, seed: int
) -> None:
    benchmark = Benchmark("quiz.txt", pl.Series(EVALUATION))
    before = set(check(pairs, select=["benchmark-overlap"], benchmarks=[benchmark]).frame["id"])
    planted = contaminated(pairs, EVALUATION, 0.1, seed)
    found = check(planted.pairs, select=["benchmark-overlap"], benchmarks=[benchmark]).frame["id"]
    assert set(planted.kinds.values()) == set(EDITS)
    assert planted.kinds.keys() <= set(found)
    assert set(found) <= planted.kinds.keys() | before


@pytest.mark.parametrize("seed", SEEDS)
def test_an_annotator_who_inverts_is_named_and_nobody_else(
    pairs: pl.DataFrame, tmp_path: Path, seed: int
) -> None:
    source, accuracies = tmp_path / "votes.jsonl", [0.9, 0.7, 0.8, 0.75, 0.85]
    for inverted in (None, seed):
        people = [1 - share if at == inverted else share for at, share in enumerate(accuracies)]
        source.write_text("\n".join(map(json.dumps, vote_rows(pairs, people, seed))))
        made = convert([source])
        found = check(made.pairs, ties=made.ties, select=["inverted-annotator"]).frame
        named = found["message"].str.extract("'(.*?)'").to_list()
        assert named == ([] if inverted is None else [f"ann{inverted}"])
        assert (found["value"] < 0.5).all()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("points", "place"), [(10, "first"), (0, None), (-10, "second")])
def test_a_side_that_wins_too_often_is_named(
    pairs: pl.DataFrame, seed: int, points: int, place: str | None
) -> None:
    more = pl.concat([pairs] * (2000 // pairs.height + 1))
    shown = leaning(more, abs(points), seed)
    if points < 0:
        shown = shown.with_columns(~pl.col("chosen_first"))
    messages = check(shown, select=["position-bias"]).frame["message"]
    assert messages.str.extract("the side shown (\\w+) ").to_list() == ([place] if place else [])
