"""What the rules about votes find in sets with planted faults."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from prefdata.ballots import ballots, shared
from prefdata.checks import Evidence, indexed
from prefdata.frame import ties_table, to_polars
from prefdata.lint import lint
from prefdata.types import Choice, Origin, Pair, Tie, Vote
from tests.prefdata.pairs import frame, pair, turn

ANNOTATORS = 8


def voted(*votes: Vote, first: bool | None = None, row: int = 1) -> Pair:
    return pair(f"prompt {row}", "a", "b", row, votes=votes, chosen_first=first)


def tie(*votes: Vote) -> pl.DataFrame:
    sides = {"first": (turn("a"),), "second": (turn("b"),)}
    asked = (turn("p", "user"),)
    return to_polars(
        ties_table([Tie(prompt=asked, **sides, votes=votes, origin=Origin("t", "t.jsonl", 9))])
    )


def test_one_row_a_vote_of_pairs_and_ties() -> None:
    pairs = frame(
        voted(Vote("chosen", "x"), Vote("rejected"), first=False),
        voted(Vote("tie", "y")),
        pair("p", "c", "d"),
    )
    data = Evidence(pairs=indexed(pairs), ties=tie(Vote("rejected", "x"), Vote("tie", "z")))
    votes = ballots(data)
    assert votes.rows() == [
        (0, "x", 1, -1),
        (0, None, -1, 1),
        (1, "y", 0, None),
        (3, "x", -1, None),
        (3, "z", 0, None),
    ]
    assert shared(votes)["item"].to_list() == [0, 0]


def crowd(
    accuracies: list[float], seed: int, lazy: Callable[[bool], Choice] | None = None
) -> pl.DataFrame:
    """400 pairs of three votes each whose majority is chosen, the sides shown in either order.

    With `lazy`, ann3 does not vote but says what it makes of whether chosen is shown first.
    """
    rng = np.random.default_rng(seed)
    found = []
    for row in range(1, 401):
        who = rng.choice(len(accuracies), 3, replace=False)
        right = rng.random(3) < np.array(accuracies)[who]
        major, first = right.sum() > 1, bool(rng.random() < 0.5)
        said: list[Choice] = ["chosen" if vote == major else "rejected" for vote in right]
        votes = [
            Vote(lazy(first) if lazy and k == 3 else c, f"ann{k}")
            for c, k in zip(said, who, strict=True)
        ]
        found.append(voted(*votes, first=first, row=row))
    return frame(*found)


@pytest.mark.parametrize("seed", range(5))
def test_the_inverted_annotator_is_named_every_time(seed: int) -> None:
    inverted = seed % ANNOTATORS
    pairs = crowd([0.1 if k == inverted else 0.85 for k in range(ANNOTATORS)], seed)
    found = lint(pairs, select=["inverted-annotator", "constant-annotator"]).frame
    assert found["name"].to_list() == ["inverted-annotator"]
    assert found["message"].item().startswith(f"annotator 'ann{inverted}' is right in")
    assert found["value"].item() < 0.3
    assert found["id"].item() is None


def test_honest_annotators_are_left_alone() -> None:
    pairs = crowd([0.55, 0.6, 0.7, 0.8, 0.9, 0.95], 0)
    rules = ["inverted-annotator", "constant-annotator", "position-bias", "low-agreement"]
    assert lint(pairs, select=rules).frame.is_empty()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("answer", "lazy"),
    [
        ("first", lambda first: "chosen" if first else "rejected"),
        ("second", lambda first: "rejected" if first else "chosen"),
        ("tie", lambda first: "tie"),
    ],
)
def test_the_constant_annotator_is_named_every_time(
    answer: str, lazy: Callable[[bool], Choice], seed: int
) -> None:
    pairs = crowd([0.85] * ANNOTATORS, seed, lazy)
    found = lint(pairs, select=["constant-annotator"]).frame
    assert found["message"].str.starts_with("annotator 'ann3'").to_list() == [True]
    assert answer in found["message"].item()
    assert found["value"].item() == 1


@pytest.mark.parametrize("place", ["first", "second"])
@pytest.mark.parametrize("seed", range(10))
def test_a_bias_of_ten_points_is_found_with_its_sign_every_time(seed: int, place: str) -> None:
    rng = np.random.default_rng(seed)
    leans = rng.random(2000) < 0.6
    pairs = frame(*[pair("p", "a", "b")] * 2000)
    pairs = pairs.with_columns(chosen_first=pl.Series(leans if place == "first" else ~leans))
    found = lint(pairs, select=["position-bias"]).frame
    assert found["message"].item().startswith(f"the side shown {place} is chosen in")
    assert 0.55 < found["value"].item() < 0.65


def test_no_bias_is_found_in_the_order_of_coins() -> None:
    coins = np.random.default_rng(0).random((20, 2000)) < 0.5
    pairs = frame(*[pair("p", "a", "b")] * 2000)
    for tossed in coins:
        fair = pairs.with_columns(chosen_first=pl.Series(tossed))
        assert lint(fair, select=["position-bias"]).frame.is_empty()


def test_names_are_data() -> None:
    name = "{} {0} %s " + "x" * 100
    pairs = frame(*[pair("p", "a", "b", chosen_model=name, rejected_model="{y}")] * 20)
    message = lint(pairs, select=["model-identity-leak"]).frame["message"].item()
    assert "'{} {0} %s xxx" in message
    assert len(message) < 250
