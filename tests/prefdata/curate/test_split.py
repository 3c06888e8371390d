"""Splitting: by prompt, as asked, and the same whatever the order of rows."""

from __future__ import annotations

import random

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefdata.curate.split import shared_prompts, split
from prefdata.errors import InputError
from tests.prefdata.pairs import frame, pair

SIZES = st.lists(st.integers(1, 6), min_size=20, max_size=40)
KEY = ["prompt_id", "id", "row"]
PINNED = [[1, 10, 35, 36], [10, 14, 15, 20]]  # of 40 prompts, for seeds 0 and 1


def pairs_of(sizes: list[int]) -> pl.DataFrame:
    """Prompt number i with `sizes[i]` pairs."""
    rows = [(f"q{i}", f"a{k}") for i, size in enumerate(sizes) for k in range(size)]
    return frame(*(pair(q, a, "b", row) for row, (q, a) in enumerate(rows, 1)))


@given(SIZES, st.integers(0, 3))
def test_no_prompt_is_on_two_sides_and_no_pair_is_lost(sizes: list[int], seed: int) -> None:
    pairs = pairs_of(sizes)
    parts = split(pairs, {"test": 0.2, "validation": 0.2}, seed=seed)
    assert list(parts) == ["train", "test", "validation"]
    assert shared_prompts(parts) == 0
    assert pl.concat(parts.values()).sort(KEY).equals(pairs.sort(KEY))


@given(SIZES)
def test_a_part_misses_its_share_by_half_a_prompt_at_most(sizes: list[int]) -> None:
    pairs = pairs_of(sizes)
    parts = split(pairs, {"test": 0.25})
    assert abs(parts["test"].height - 0.25 * pairs.height) <= max(sizes) / 2


@given(SIZES, st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(sizes: list[int], rng: random.Random) -> None:
    pairs = pairs_of(sizes)
    order = list(range(pairs.height))
    rng.shuffle(order)
    one, two = (split(p, {"test": 0.2}) for p in (pairs, pairs[order]))
    assert all(one[name].sort(KEY).equals(two[name].sort(KEY)) for name in one)


def test_the_seed_decides_and_the_result_is_pinned() -> None:
    pairs = pairs_of([1] * 40)
    rows = [split(pairs, {"test": 0.1}, seed=seed)["test"]["row"].to_list() for seed in (0, 1)]
    assert rows == PINNED, "the split of a published set would change"


def test_shared_prompts_are_counted() -> None:
    pairs = pairs_of([2, 2, 1])
    assert shared_prompts({"a": pairs[:3], "b": pairs[3:]}) == 1
    assert shared_prompts({"a": pairs, "b": pairs}) == 3


@pytest.mark.parametrize("sizes", [[5], [1, 1], []])
def test_too_few_prompts_are_refused(sizes: list[int]) -> None:
    with pytest.raises(InputError, match=f"{len(sizes)} prompts? (is|are) too few") as error:
        split(pairs_of(sizes), {"test": 0.1})
    assert "never divided" in str(error.value.hint)
