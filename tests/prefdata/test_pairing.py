"""Policies: which pairs a ranking gives, counted by hand and in general."""

from collections import Counter

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefdata.pairing import POLICIES, count_pairs, pair_up
from prefdata.types import Candidate, Message, Pair, Ranking, Rating, Tie

PROMPT = (Message("user", "q"),)


def ranking(*scores: float | None) -> Ranking:
    return Ranking(
        prompt=PROMPT,
        candidates=tuple(
            Candidate(completion=(Message("assistant", f"answer {i}"),), score=score, meta={"i": i})
            for i, score in enumerate(scores)
        ),
    )


def names(ranking: Ranking, policy: str) -> list[str]:
    out = []
    for item in pair_up(ranking, policy):  # type: ignore[arg-type]
        if isinstance(item, Pair):
            out.append(f"{item.meta['chosen']['i']}>{item.meta['rejected']['i']}")
        elif isinstance(item, Tie):
            out.append(f"{item.meta['first']['i']}={item.meta['second']['i']}")
        else:
            out.append(str(item.meta["completion"]["i"]))
    return out


def test_policies_by_hand() -> None:
    four = ranking(1, 3, 2, 2)  # order: 1, 2, 3, 0
    assert names(four, "every") == ["1>2", "1>3", "1>0", "2=3", "2>0", "3>0"]
    assert names(four, "adjacent") == ["1>2", "2=3", "3>0"]
    assert names(four, "best-worst") == ["1>0"]
    (drawn,) = names(four, "best-random")
    assert drawn in ("1>0", "1>2", "1>3")
    assert count_pairs(four) == {"every": 5, "adjacent": 2, "best-worst": 1, "best-random": 1}


def test_a_candidate_that_cannot_be_paired_is_kept_as_a_rating() -> None:
    assert names(ranking(None, 2, 1), "every") == ["0", "1>2"]
    assert names(ranking(None, 2), "every") == ["0", "1"]
    assert names(ranking(), "every") == []


def test_margins_are_score_differences() -> None:
    (pair,) = pair_up(ranking(0.5, -1), "every")
    assert isinstance(pair, Pair)
    assert (pair.chosen_score, pair.rejected_score, pair.margin) == (0.5, -1, 1.5)


@pytest.mark.parametrize("policy", POLICIES)
@given(scores=st.lists(st.none() | st.integers(-3, 3), max_size=7))
def test_pairs_follow_the_scores_and_counts_follow_the_pairs(
    policy: str, scores: list[int | None]
) -> None:
    items = list(pair_up(ranking(*scores), policy))  # type: ignore[arg-type]
    kinds = Counter(type(item) for item in items)
    for item in items:
        if isinstance(item, Pair):
            assert item.margin is not None
            assert item.margin > 0
        elif isinstance(item, Tie):
            assert item.first_score == item.second_score
    scored = [s for s in scores if s is not None]
    lone = len(scored) == 1
    assert kinds[Rating] == scores.count(None) + lone
    assert kinds[Pair] == count_pairs(ranking(*scores))[policy]  # type: ignore[index]
    if policy == "every":
        assert kinds[Pair] + kinds[Tie] == len(scored) * (len(scored) - 1) // 2


def test_a_source_column_named_like_a_side_is_not_lost() -> None:
    two = msgspec.structs.replace(ranking(2, 1), meta={"chosen": "a column of the source"})
    (pair,) = pair_up(two, "every")
    assert pair.meta == {
        "chosen": "a column of the source",
        "chosen_candidate": {"i": 0},
        "rejected": {"i": 1},
    }
