"""Rankings come back out of their pairs, and what implies none is set aside."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefdata.curate.rankings import repair
from prefdata.frame import pairs_table, to_polars
from prefdata.pairing import POLICIES, Pairing, Policy, pair_up
from prefdata.types import Candidate, Origin, Pair, Ranking
from tests.prefdata.pairs import frame, pair, turn


def pairs_of(scores: list[int], policy: Policy) -> pl.DataFrame:
    candidates = tuple(
        Candidate(completion=(turn(f"c{n}"),), score=float(score), model=f"m{n}", meta={"n": n})
        for n, score in enumerate(scores)
    )
    ranking = Ranking(
        prompt=(turn("q", "user"),),
        candidates=candidates,
        origin=Origin("s", "f", 1),
        meta={"of": "row"},
    )
    made = [one for one in pair_up(ranking, Pairing(by=policy)) if isinstance(one, Pair)]
    return to_polars(pairs_table(made))


@given(st.lists(st.integers(0, 9), min_size=3, max_size=6, unique=True))
def test_every_policy_comes_back_from_every_pair_and_from_adjacent_ones(scores: list[int]) -> None:
    for start in ("every", "adjacent"):
        for policy in POLICIES:
            result = repair(pairs_of(scores, start), Pairing(by=policy))  # type: ignore[arg-type]
            assert result.pairs.sort("id").equals(pairs_of(scores, policy).sort("id"))
            assert result.removed.is_empty()


def test_an_order_without_scores_is_enough() -> None:
    chain = frame(pair("q", "a", "b"), pair("q", "b", "c"))
    result = repair(chain, Pairing(by="every"))
    texts = {(r["chosen"][0]["content"], r["rejected"][0]["content"], r["margin"]) for r in result.pairs.iter_rows(named=True)}  # fmt: skip
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
    assert result.pairs["row"].to_list() == [7]
    assert set(result.removed["reason"]) == {reason}
    assert result.removed.height == len(pairs)


def test_scores_that_contradict_the_pairs_are_set_aside() -> None:
    wrong = {"chosen_score": 1.0, "rejected_score": 2.0}
    pairs = frame(
        pair("q", "a", "b", **wrong), pair("q", "a", "c", chosen_score=1.0, rejected_score=0.0)
    )
    assert set(repair(pairs, Pairing()).removed["reason"]) == {"scores-disagree-with-pairs"}
