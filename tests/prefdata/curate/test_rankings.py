"""Rankings come back out of their pairs, and what implies none is set aside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefdata.conversion import ConvertOptions, convert
from prefdata.curate.repair import Repaired, repair
from prefdata.frame import pairs_table, ties_table, to_polars, unpaired_table
from prefdata.pairing import POLICIES, Pairing, pair_up
from prefdata.types import Candidate, Origin, Pair, Ranking, Rating, Tie, Vote
from tests.prefdata.pairs import frame, pair, turn


class Set(NamedTuple):
    pairs: pl.DataFrame
    ties: pl.DataFrame
    unpaired: pl.DataFrame


def converted(rankings: Sequence[Sequence[int | None]], pairing: Pairing) -> Set:
    """What a conversion makes of rankings, one a row, each given by its scores."""
    said = [one for row, scores in enumerate(rankings, 1) for one in _said(row, scores, pairing)]
    return Set(
        to_polars(pairs_table(one for one in said if isinstance(one, Pair))),
        to_polars(ties_table(one for one in said if isinstance(one, Tie))),
        to_polars(unpaired_table(one for one in said if isinstance(one, Rating))),
    )


def _said(row: int, scores: Sequence[int | None], pairing: Pairing) -> list[Pair | Tie | Rating]:
    candidates = tuple(
        Candidate(
            completion=(turn(f"c{n}"),),
            score=None if score is None else float(score),
            model=f"m{n}",
            meta={"n": n} if n % 2 else {},
        )
        for n, score in enumerate(scores)
    )
    ranking = Ranking(
        prompt=(turn(f"q{row}", "user"),),
        candidates=candidates,
        origin=Origin("s", "f", row),
        meta={"of": "row", "chosen": "a column of the source"},
    )
    return list(pair_up(ranking, pairing))


def again(given: Set, pairing: Pairing) -> Repaired:
    return repair(given.pairs, pairing, ties=given.ties, unpaired=given.unpaired)


def rows(part: pl.DataFrame) -> list[str]:
    return sorted(map(str, part.rows()))


WHOLE = [  # conversions that leave no completion out
    Pairing(),
    Pairing(by="adjacent"),
    Pairing(max_per_prompt=2),
    Pairing(min_margin=2, weights=True),
]
SCORES = st.lists(st.lists(st.none() | st.integers(0, 4), min_size=1, max_size=6), max_size=4)
SETTINGS = st.builds(
    Pairing,
    by=st.sampled_from(POLICIES),
    min_margin=st.sampled_from([None, 1.0, 2.0]),
    max_per_prompt=st.sampled_from([None, 1, 3]),
    weights=st.booleans(),
    seed=st.integers(0, 3),
)


@settings(max_examples=150)
@given(SCORES, st.sampled_from(WHOLE), SETTINGS)
def test_another_policy_gives_what_converting_again_would_give(
    scores: list[list[int | None]], first: Pairing, then: Pairing
) -> None:
    given, wanted = converted(scores, first), converted(scores, then)
    result = again(given, then)
    assert result.removed.is_empty()
    assert rows(result.pairs.rows) == rows(wanted.pairs)
    assert rows(result.ties.rows) == rows(wanted.ties)
    assert rows(result.unpaired.rows) == rows(wanted.unpaired)


@given(SCORES, SETTINGS)
def test_every_row_is_accounted_for_and_a_second_time_changes_nothing(
    scores: list[list[int | None]], then: Pairing
) -> None:
    given = converted(scores, Pairing())
    result = again(given, then)
    for before, after in zip(given, (result.pairs, result.ties, result.unpaired), strict=True):
        assert before.height == after.kept + after.gone.height
        assert after.rows.height == after.kept + after.new
    once = Set(result.pairs.rows, result.ties.rows, result.unpaired.rows)
    if then.by in ("every", "adjacent"):
        twice = again(once, then)
        assert twice.pairs.rows.equals(once.pairs)
        assert twice.pairs.new == twice.ties.new == twice.unpaired.new == 0


def test_ratings_of_several_rows_are_one_ranking_again() -> None:
    records = [
        {"prompt": "q", "response": f"answer {n}", "helpfulness": score, "correctness": 1,
         "coherence": 1, "complexity": 1, "verbosity": n}
        for n, score in enumerate([2, 4, 4, 0])
    ]  # fmt: skip
    import json
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "rows.jsonl"
        source.write_text("".join(json.dumps(one) + "\n" for one in records))
        every, few = (
            convert([source], ConvertOptions(pairing=Pairing(by=by)))
            for by in ("every", "adjacent")
        )
    result = repair(every.pairs, Pairing(by="adjacent"), ties=every.ties, unpaired=every.unpaired)
    assert result.rankings == 1
    assert rows(result.pairs.rows) == rows(few.pairs)
    assert rows(result.ties.rows) == rows(few.ties)
    back = repair(few.pairs, Pairing(by="every"), ties=few.ties, unpaired=few.unpaired)
    assert rows(back.pairs.rows) == rows(every.pairs)


def test_a_pair_that_stays_keeps_its_votes_and_what_belongs_to_it_alone() -> None:
    votes = (Vote("chosen", "ann"), Vote("rejected", "bob"))
    given = frame(
        pair("q", "a", "b", votes=votes, chosen_first=True, meta={"of": 1, "implicit_margin": 3}),
        pair("q", "b", "c", votes=votes, meta={"of": 1, "implicit_margin": 4}),
    )
    result = repair(given, Pairing(by="every"))
    assert (result.pairs.kept, result.pairs.new) == (2, 1)
    new = result.pairs.rows.filter(pl.col("votes").is_null())
    assert new.select("meta", "chosen_first").rows() == [('{"of":1}', None)]
    assert result.pairs.rows.filter(pl.col("votes").is_not_null()).equals(given)
    assert result.lost_fields == ("implicit_margin",)
    best = repair(given, Pairing(by="best-worst"))
    assert best.pairs.gone["votes"].list.len().to_list() == [2, 2]


def test_pairs_alone_and_ties_by_vote_stay_as_they_are() -> None:
    given = converted([[5, 3]], Pairing())
    tie = Tie(
        prompt=(turn("q1", "user"),), first=(turn("c0"),), second=(turn("c9"),),
        tie_kind="no-majority", first_score=1.0, second_score=2.0, origin=Origin("s", "f", 1),
    )  # fmt: skip
    ties = to_polars(ties_table([tie]))
    result = repair(given.pairs, Pairing(by="best-worst"), ties=ties)
    assert result.pairs.rows.equals(given.pairs)
    assert result.ties.rows.equals(ties)
    assert result.rankings == 0


def test_an_order_without_scores_is_enough() -> None:
    chain = frame(pair("q", "a", "b"), pair("q", "b", "c"))
    result = repair(chain, Pairing(by="every", min_margin=9)).pairs.rows
    texts = {
        (r["chosen"][0]["content"], r["rejected"][0]["content"], r["margin"])
        for r in result.iter_rows(named=True)
    }
    assert texts == {("a", "b", None), ("b", "c", None), ("a", "c", None)}


@pytest.mark.parametrize(
    ("pairs", "reason"),
    [
        ([("a", "b"), ("b", "c"), ("c", "a")], "preference-cycle"),
        ([("a", "b"), ("a", "c")], "incomplete-ranking"),
    ],
)
def test_what_implies_no_ranking_is_set_aside(pairs: list[tuple[str, str]], reason: str) -> None:
    alone = pair("other", "x", "y", 7)
    result = repair(frame(*(pair("q", *sides) for sides in pairs), alone), Pairing())
    assert result.pairs.rows["row"].to_list() == [7]
    assert set(result.removed["reason"]) == {reason}
    assert result.removed.height == len(pairs)


@pytest.mark.parametrize(
    ("chosen", "rejected", "reason"),
    [
        (1.0, 2.0, "scores-disagree-with-pairs"),
        (3.0, 2.0, "several-scores-of-one-completion"),
    ],
)
def test_scores_that_are_none_are_set_aside(chosen: float, rejected: float, reason: str) -> None:
    pairs = frame(
        pair("q", "a", "b", chosen_score=chosen, rejected_score=rejected),
        pair("q", "a", "c", chosen_score=1.0, rejected_score=0.0),
    )
    assert set(repair(pairs, Pairing()).removed["reason"]) == {reason}


def test_an_empty_set_stays_empty() -> None:
    assert repair(frame(), Pairing(weights=True)).pairs.rows.equals(frame())
