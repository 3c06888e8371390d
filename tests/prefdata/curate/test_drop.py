"""Curation: every pair is kept or removed with one reason, and a second run finds nothing to do."""

from __future__ import annotations

import random

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefdata.curate.drop import curate
from prefdata.curate.steps.fix import droppers
from prefdata.errors import PrefError
from prefdata.lint import lint
from tests.prefdata.pairs import FRAMES, PLAIN_FRAMES, frame, pair

DROPS = ["PD104", "PD201", "contradictory-pair", "duplicate-pair", "tied-score"]


@given(FRAMES, st.sampled_from([None, DROPS]))
def test_what_goes_in_is_kept_or_removed(pairs: pl.DataFrame, select: list[str] | None) -> None:
    kept, removed, _ = curate(pairs, select)
    assert kept.height + removed.height == pairs.height
    assert removed.schema == pairs.schema | {"reason": pl.String}
    both = pl.concat([kept, removed.drop("reason")])
    key = ["file", "row", "id"]
    assert both.select(key).sort(key).equals(pairs.select(key).sort(key))


@given(PLAIN_FRAMES, st.sampled_from([None, DROPS]))
def test_a_second_time_removes_nothing(pairs: pl.DataFrame, select: list[str] | None) -> None:
    kept = curate(pairs, select).kept
    again = curate(kept, select)
    assert again.kept.equals(kept)
    assert again.removed.is_empty()
    assert lint(kept, select=[rule.name for rule in droppers(select)]).broken == ()


@given(PLAIN_FRAMES, st.randoms(use_true_random=False))
def test_the_order_of_rows_decides_nothing(pairs: pl.DataFrame, rng: random.Random) -> None:
    order = list(range(pairs.height))
    rng.shuffle(order)
    key = ["file", "row", "id"]
    one, two = curate(pairs).kept, curate(pairs[order]).kept
    assert one.select(key).sort(key).equals(two.select(key).sort(key))


def test_one_of_each_duplicate_stays_and_every_removal_has_its_reason() -> None:
    pairs = frame(
        pair("q", "a", "b", 5),
        pair("q", "a", "b", 2),
        pair("q", "x", "x", 3),
        pair("q", "x", "", 4),
        pair("q", "x", "x ", 6),
        pair("p", "a", "b", 1),
    )
    kept, removed, _ = curate(pairs)
    assert kept["row"].to_list() == [2, 1]
    assert dict(removed.select("row", "reason").iter_rows()) == {
        3: "identical-pair",
        4: "empty-completion",
        5: "duplicate-pair",
        6: "whitespace-only-difference",
    }


def test_unsafe_fixes_run_by_name_only() -> None:
    pairs = frame(pair("q", "a", "b", 1), pair("q", "b", "a", 2), pair("p", "a", "b", 3))
    assert curate(pairs).removed.is_empty()
    assert curate(pairs, ["contradictory-pair"]).kept["row"].to_list() == [3]


def test_other_columns_are_kept() -> None:
    pairs = frame(pair("q", "a", "b"), pair("q", "x", "x", 2)).with_columns(note=pl.lit("mine"))
    kept, removed, _ = curate(pairs)
    assert kept["note"].to_list() == removed["note"].to_list() == ["mine"]


def test_a_rule_without_a_fix_is_refused() -> None:
    with pytest.raises(PrefError, match="template-marker-in-text has no fix") as error:
        curate(frame(), ["template-marker-in-text"])
    assert "identical-pair" in str(error.value.hint)
