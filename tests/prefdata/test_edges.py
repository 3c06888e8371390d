"""Keys of completions, and what they say of contradictions and cycles."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefdata.checks import Evidence, indexed
from prefdata.edges import contradictions, on_cycles, preference_edges
from prefdata.frame import MESSAGES, to_polars
from prefdata.keys import message_keys
from prefdata.lint import lint
from tests.prefdata.pairs import frame, pair

texts = st.sampled_from([None, "", "a", "b"])
turns = st.lists(
    st.tuples(st.sampled_from(["user", "assistant"]), texts, texts).map(
        lambda turn: dict(zip(("role", "content", "thinking"), turn, strict=True))
    ),
    max_size=3,
)


def column(cells: list[object]) -> pl.Series:
    return to_polars(pa.table({"cell": pa.array(cells, MESSAGES)}))["cell"]


@given(st.lists(turns, min_size=2, max_size=8), st.integers(0, 8))
def test_keys_are_equal_where_the_messages_are(cells: list[object], cut: int) -> None:
    """Also of two columns, whose cells are hashed apart and whose other cells differ."""
    keys = [message_keys(column(part)) for part in (cells[:cut], cells[cut:])]
    whole = np.concatenate(keys)
    for i, first in enumerate(cells):
        for j, second in enumerate(cells):
            assert (whole[i] == whole[j]) == (first == second)


votes = st.lists(
    st.tuples(st.sampled_from("pq"), st.sampled_from("abcde"), st.sampled_from("abcde")),
    min_size=1,
    max_size=24,
)


def edges_of(votes: list[tuple[str, str, str]]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "index": pl.Series(range(len(votes)), dtype=pl.UInt32),
            "winner": pl.Series([p + w for p, w, _ in votes]).hash(),
            "loser": pl.Series([p + lost for p, _, lost in votes]).hash(),
        }
    )


@given(votes)
def test_contradictions_and_cycles_are_what_their_definitions_say(votes) -> None:
    beats = {
        (p, w, x) for p, w, x in votes if w != x and votes.count((p, w, x)) > votes.count((p, x, w))
    }
    reach = set(beats)
    for _ in range(5):
        reach |= {(p, a, d) for p, a, b in reach for q, c, d in beats if (p, b) == (q, c)}
    circle = [
        i
        for i, (p, w, x) in enumerate(votes)
        if ((p, w, x) in beats or (p, x, w) in beats) and {(p, w, x), (p, x, w)} <= reach
    ]
    assert sorted(on_cycles(edges_of(votes))["index"]) == circle
    both = [i for i, (p, w, x) in enumerate(votes) if w != x and (p, x, w) in votes]
    assert contradictions(edges_of(votes))["index"].to_list() == both


@pytest.mark.parametrize("length", range(3, 7))
def test_planted_cycles_are_found_and_nothing_else(length: int) -> None:
    """Rankings of 8 answers to each of 30 prompts, and one pair that closes a circle in 5 of them."""
    rng = np.random.default_rng(length)
    told, planted = [], []
    for prompt in range(30):
        best_first = [f"answer {k} to {prompt}" for k in rng.permutation(8)]
        told += [(prompt, *couple) for couple in pairwise(best_first)]
        if prompt % 6 == 0:
            circle = best_first[(start := rng.integers(0, 9 - length)) : start + length]
            told.append((prompt, circle[-1], circle[0]))
            planted += [(prompt, *couple) for couple in pairwise([*circle, circle[0]])]
    pairs = frame(*(pair(f"prompt {p}", a, b, row) for row, (p, a, b) in enumerate(told)))
    found = lint(pairs, select=["preference-cycle"]).frame
    assert [told[row] for row in found["row"]] == sorted(planted, key=told.index)
    assert found["message"].str.contains(f"{length} pairs on a cycle of {length} comp").all()


def test_the_pair_against_the_ranking_is_named() -> None:
    ranked = [couple for couple in combinations("abcde", 2) if couple != ("a", "e")]
    told = [*ranked, ("e", "a")]
    pairs = frame(*(pair("p", x, y, row) for row, (x, y) in enumerate(told, 1)))
    found = lint(pairs, select=["preference-cycle"]).frame
    *rest, last = found["message"]
    assert last.endswith("this one fits the others worst")
    assert found["value"][-1] == found["value"].max() > 1
    assert all(message.endswith("row 10 fits the others worst") for message in rest)


def test_no_pairs_no_edges() -> None:
    pairs = frame(pair("p", "a", "a"))
    for some in (pairs, pairs.clear()):
        found = preference_edges(Evidence(pairs=indexed(some)))
        assert on_cycles(found).is_empty()
        assert contradictions(found).is_empty()
