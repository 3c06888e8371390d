"""Recipes by the scores of a file: what stays is worked out by hand, and so is where they agree."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
import yaml

from prefdata.curate.overlap import overlap, together
from prefdata.curate.plan import Plan, read_plan
from prefdata.curate.recipes import recipe, recipes
from prefdata.curate.run import curate, side_car
from prefdata.curate.steps.perplexity_difference import start_of_upper
from tests.prefdata.pairs import frame, pair

NUMBERS = range(1, 21)
PAIRS = frame(*(pair("q", "a" * n, "b", n) for n in NUMBERS))
Of = Callable[[int], float]


def plan(name: str) -> Plan:
    return read_plan(yaml.safe_load(recipe(name)), name)


def scores(**columns: Of) -> pl.DataFrame:
    """A file's columns: each number a function of the pair's row."""
    values = {name: [float(of(n)) for n in NUMBERS] for name, of in columns.items()}
    return pl.DataFrame({"id": PAIRS["id"], **values})


LOGPS = scores(
    chosen_logps=lambda n: -40 + n,  # implicit margins are 1, 2, ..., 20 nats
    rejected_logps=lambda _: -40,
    ref_chosen_logps=lambda _: -40,
    ref_rejected_logps=lambda _: -40,
    chosen_tokens=lambda _: 10,
    rejected_tokens=lambda _: 10,
)
REWARDS = scores(chosen_score=lambda n: 30 - n, rejected_score=lambda _: 5)  # margins 24, ..., 5


@pytest.mark.parametrize(
    ("name", "given", "rows"),
    [
        ("margin", REWARDS, range(1, 11)),
        ("implicit-margin", LOGPS, range(11, 21)),
        ("small-implicit-margin", LOGPS, range(1, 4)),
        ("confident", scores(confidence=lambda n: n / 20), range(3, 21)),
        ("selective-dpo", scores(validation_loss=lambda n: n), range(1, 12)),
        # rejected is as long everywhere, and as good; its margin is below the median where n is large
        ("rip", REWARDS, range(10, 21)),
    ],
)
def test_a_recipe_keeps_what_its_paper_says(name: str, given: pl.DataFrame, rows: range) -> None:
    found = curate(PAIRS, plan(name), given)
    assert found.kept["row"].to_list() == list(rows)
    assert found.kept.columns == PAIRS.columns
    assert curate(found.kept, found.plan, given).removed.is_empty()


def test_dual_margin_keeps_what_both_margins_hold_for_right() -> None:
    """The margins run against each other, so that the middle, large in neither, is all alike."""
    both = LOGPS.join(REWARDS, on="id")
    kept = curate(PAIRS, plan("dual-margin"), both.filter(pl.int_range(pl.len()) != 0)).kept
    assert 1 not in kept["row"].to_list()  # has no scores
    agreeing = LOGPS.join(scores(chosen_score=lambda n: n, rejected_score=lambda _: 0), on="id")
    assert curate(PAIRS, plan("dual-margin"), agreeing).kept["row"].to_list() == [18, 19, 20]


def test_pairs_that_were_not_scored_go_for_another_reason() -> None:
    some = scores(confidence=lambda n: n / 20).filter(pl.int_range(pl.len()) >= 5)
    removed = curate(PAIRS, plan("confident"), some).removed
    reasons = dict(removed.select("row", "reason").iter_rows())
    assert reasons == dict.fromkeys(range(1, 6), "confidence-missing") | {6: "margin-share"}


def test_length_balance_needs_no_scores() -> None:
    """Chosen is the longer one in every pair but the first, whose sides are equal."""
    assert curate(PAIRS, plan("length-balanced")).kept["row"].to_list() == [1]


def test_pairs_that_surprise_a_model_on_the_wrong_side_go() -> None:
    """Chosen costs 1 nat a token less than rejected in 16 pairs, and about 4 more in 4."""
    surprising = scores(
        chosen_logps=lambda n: -60 - n % 3 if n % 5 == 0 else -10 - n % 3,
        rejected_logps=lambda _: -20,
        chosen_tokens=lambda _: 10,
        rejected_tokens=lambda _: 10,
    )
    found = curate(PAIRS, plan("perplexity-difference"), surprising)
    assert found.removed["row"].to_list() == [5, 10, 15, 20]
    assert set(found.removed["reason"]) == {"perplexity-difference"}
    some = surprising.filter(pl.int_range(pl.len()) < 15)  # the rest is not judged
    assert curate(PAIRS, plan("perplexity-difference"), some).removed["row"].to_list() == [
        5,
        10,
        15,
    ]


def test_the_cut_lies_where_the_densities_of_two_mixed_normals_are_equal() -> None:
    """For 0.8 N(-1, 1) and 0.2 N(4, 1) that is 1.5 + ln(4) / 5."""
    rng = np.random.default_rng(0)
    mixed = np.concatenate([rng.normal(-1, 1, 80_000), rng.normal(4, 1, 20_000)])
    assert start_of_upper(mixed, 0.5) == pytest.approx(1.5 + np.log(4) / 5, abs=0.05)
    one = rng.normal(0, 1, 5_000)
    assert start_of_upper(one, 0.5) == one.max(), "nothing goes where one normal explains it all"
    assert start_of_upper(np.ones(50), 0.5) == 1


def test_recipes_are_compared_pair_by_pair() -> None:
    plans = {
        "easy": read_plan({"steps": [{"step": "filter", "column": "x", "max": 10}]}, "t"),
        "hard": read_plan({"steps": [{"step": "filter", "column": "x", "min": 6}]}, "t"),
        "rip": plan("rip"),
    }
    found = overlap(side_car(PAIRS, together(plans), scores(x=lambda n: n)), plans)
    assert [(kept.name, kept.pairs, kept.share) for kept in found.recipes] == [
        ("easy", 10, 0.5),
        ("hard", 15, 0.75),
    ]
    (both,) = found.agreements  # rows 6 to 10 of all 20
    assert (both.one, both.other, both.both, both.jaccard) == ("easy", "hard", 5, 0.25)
    assert both.by_chance == 0.375 / 0.875  # half and three quarters, drawn independently
    (left,) = found.skipped
    assert (left.name, "rejected_score" in left.reason) == ("rip", True)


def test_every_recipe_names_its_source_and_is_a_plan() -> None:
    for name, purpose in recipes().items():
        text = recipe(name)
        assert plan(name).steps, name
        assert purpose.endswith("."), name
        assert "arXiv:" in text or "NeurIPS" in text, name
        assert len(text.splitlines()) <= 8, f"{name}: a recipe is a few lines"
