"""Splitting: by prompt, as asked, and the same whatever the order of rows."""

from __future__ import annotations

import random
from collections.abc import Sequence

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefdata.curate.groups import prompt_groups
from prefdata.curate.split import row_split_leakage, shared_prompts, split
from prefdata.errors import InputError
from prefdata.frame import pairs_table, to_polars
from prefdata.types import Origin, Pair
from tests.prefdata.pairs import frame, pair, turn

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


def conversations(*prompts: Sequence[str], source: str = "t") -> pl.DataFrame:
    """One pair for each prompt, whose turns are said by user and assistant in turn."""
    roles = ("user", "assistant")
    rows = [
        Pair(
            prompt=tuple(turn(text, roles[at % 2]) for at, text in enumerate(prompt)),
            chosen=(turn(f"a{row}"),),
            rejected=(turn("b"),),
            origin=Origin(source, "t.jsonl", row),
        )
        for row, prompt in enumerate(prompts, 1)
    ]
    return to_polars(pairs_table(rows))


def test_conversations_that_share_a_beginning_stay_together() -> None:
    pairs = conversations(
        ["Hi"],
        ["Hi", "Hello", "Who are you?"],
        ["Hi", "Yes?", "Help"],
        ["Help"],
        ["Help", "How?", "x"],
    )
    first, second, third, fourth, fifth = prompt_groups(pairs)
    assert first == second == third
    assert fourth == fifth != first


def test_pairs_without_a_prompt_are_groups_of_their_own() -> None:
    assert prompt_groups(conversations([], [], ["q"])).n_unique() == 3


def test_near_duplicates_of_a_prompt_go_with_it() -> None:
    words = [f"word{n}" for n in range(40)]
    pairs = conversations([" ".join(words)], [" ".join([*words, "more"])], [" ".join(words[::-1])])
    one, two, other = prompt_groups(pairs, near=True)
    assert one == two != other
    assert prompt_groups(pairs).n_unique() == 3


@given(st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=12), min_size=6, max_size=12))
def test_every_part_has_its_share_of_every_source(sources: list[list[int]]) -> None:
    rows = [
        (source, pair(f"{source}-{prompt}", f"a{n}", "b"))
        for source, sizes in enumerate(sources)
        for prompt, size in enumerate(sizes)
        for n in range(size)
    ]
    names = pl.Series("source", [f"s{source}" for source, _ in rows])
    pairs = frame(*(one for _, one in rows)).with_columns(names)
    test = split(pairs, {"test": 0.4})["test"]
    largest = max(size for sizes in sources for size in sizes)
    assert abs(test.height - 0.4 * pairs.height) <= largest / 2
    for source, sizes in enumerate(sources):
        got = test.filter(pl.col("source") == f"s{source}").height
        assert abs(got - 0.4 * sum(sizes)) <= largest


@pytest.mark.parametrize(("test", "train"), [(0.2, 0.8), (0.1, 0.6)])
def test_the_leakage_of_a_split_by_rows_is_what_splits_by_rows_have(
    test: float, train: float
) -> None:
    groups = pl.Series([n for n in range(60) for _ in range(n % 5 + 1)])
    rng = random.Random(0)
    shares = []
    for _ in range(400):
        where = [rng.random() for _ in groups]
        tested = {g for g, w in zip(groups, where, strict=True) if w < test}
        trained = {g for g, w in zip(groups, where, strict=True) if w > 1 - train}
        shares.append((len(tested & trained), len(tested)))
    both, tests = (sum(column) for column in zip(*shares, strict=True))
    assert row_split_leakage(groups, test, train) == pytest.approx(both / tests, abs=0.02)
