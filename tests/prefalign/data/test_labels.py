"""Votes as the probability that a label is right."""

from __future__ import annotations

import pytest

from prefalign.data.labels import label_probabilities
from prefdata.errors import InputError
from prefdata.frame import pairs_table, to_polars
from prefdata.types import Message, Origin, Pair, Vote


def pair(number: int, *choices: str, votes: bool = True) -> Pair:
    return Pair(
        prompt=(Message("user", f"Question {number}"),),
        chosen=(Message("assistant", "yes"),),
        rejected=(Message("assistant", "no"),),
        votes=tuple(Vote(choice) for choice in choices) if votes else None,  # type: ignore[arg-type]
        origin=Origin("toy", "toy.jsonl", number),
    )


def test_shares_of_votes() -> None:
    pairs = to_polars(
        pairs_table(
            [
                pair(1, "chosen", "chosen", "rejected", "chosen"),
                pair(2, "tie", "chosen"),
                pair(3, "tie"),
                pair(4, votes=False),
                pair(5),
                pair(6, "chosen"),
                pair(6, "rejected"),
            ]
        )
    )
    ids = pairs["id"].to_list()
    wanted = [*ids[5:], *ids[:5]]  # another order, and a pair in it twice
    found = label_probabilities(pairs, wanted, "toy.jsonl")
    assert found.tolist() == [0.5, 0.5, 0.75, 0.75, 0.5, 1.0, 1.0]


def test_a_set_without_votes_is_refused() -> None:
    pairs = to_polars(pairs_table([pair(1, votes=False), pair(2)]))
    with pytest.raises(InputError, match=r"toy\.jsonl: no pair has votes") as caught:
        label_probabilities(pairs, pairs["id"].to_list(), "toy.jsonl")
    assert "method.labels=hard" in (caught.value.hint or "")
