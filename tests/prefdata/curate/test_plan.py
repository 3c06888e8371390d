"""Plans: what goes in is kept or removed once, a second run finds nothing, order decides nothing."""

from __future__ import annotations

import random
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefdata.curate.plan import SAFE_FIXES, Plan, load_plan, read_plan
from prefdata.curate.run import curate
from prefdata.curate.step import STEPS
from prefdata.errors import ConfigError, InputError
from prefdata.types import Vote
from tests.prefdata.pairs import WORDS, frame, pair

KEY = ["file", "row", "id"]
SCORE = st.integers(0, 4).map(float)
VOTE = st.builds(Vote, st.sampled_from(["chosen", "rejected", "tie"]))


@st.composite
def scored(draw: st.DrawFn) -> pl.DataFrame:
    """Few prompts and completions, so that contradictions and repeats are common; scores for all."""
    rows = draw(st.lists(st.tuples(WORDS, WORDS, WORDS, SCORE, SCORE), min_size=1, max_size=14))
    pairs = [
        pair(
            prompt,
            chosen,
            rejected,
            number,
            chosen_score=better,
            rejected_score=worse,
            votes=tuple(draw(st.lists(VOTE, max_size=3))) or None,
            meta={
                "implicit_margin": better - 2 * worse,
                "validation_loss": better * worse,
                "ppl_difference": worse - better,
            },
        )
        for number, (prompt, chosen, rejected, better, worse) in enumerate(rows, 1)
    ]
    return frame(*pairs)


EVERY_STEP: dict[str, list[dict[str, Any]]] = {
    "fix": [{}, {"rules": ["contradictory-pair", "duplicate-pair", "tied-score"]}],
    "dedup": [{}, {"how": "loose"}, {"keep": "votes"}, {"how": "near", "keep": "margin"}],
    "majority": [{}, {"posterior": 0.6}],
    "cap": [{"most": 1}, {"most": 2, "by": "margin", "seed": 3}],
    "filter": [{"column": "margin", "min": 1}, {"column": "chosen_score", "max": 3, "min": 1}],
    "balance-length": [{}, {"bins": 2, "seed": 1}],
    "sample": [{"size": 4}, {"share": 0.5, "seed": 2}],
    "rip": [{}, {"quantile": 0.2}],
    "margin-share": [{}, {"end": "smallest", "column": "implicit_margin"}],
    "selective-dpo": [{}, {"by": "implicit_margin", "tau": 0.7}],
    "dual-margin": [{"share": 0.5}],
    "perplexity-difference": [{}, {"posterior": 0.9}],
}
ONE_STEP = [{"step": name} | options for name, each in EVERY_STEP.items() for options in each]
PLANS = st.lists(st.sampled_from(ONE_STEP), min_size=1, max_size=4)


def plan(*steps: dict[str, Any]) -> Plan:
    return read_plan({"steps": list(steps)}, "test")


def run(pairs: pl.DataFrame, asked: Plan) -> Any:
    """Curates; None where an earlier step has left no pair with a score."""
    try:
        return curate(pairs, asked)
    except InputError as error:
        if "no pair has" in error.message:
            return None
        raise


def rows(pairs: pl.DataFrame) -> list[Any]:
    return pairs.select(KEY).sort(KEY).rows()


def test_every_step_is_tested() -> None:
    assert sorted(EVERY_STEP) == STEPS.names()


def check_plan(pairs: pl.DataFrame, asked: Plan, rng: random.Random) -> None:
    result = run(pairs, asked)
    if result is None:
        return
    reasons = result.removed["reason"]
    assert reasons.null_count() == 0
    assert reasons.dtype == pl.String
    both = pl.concat([result.kept, result.removed.drop("reason")])
    assert rows(both) == rows(pairs)
    again = curate(result.kept, result.plan)
    assert again.kept.equals(result.kept)
    assert again.plan == result.plan
    shuffled = pairs.sample(fraction=1, shuffle=True, seed=rng.randrange(2**31))
    other = curate(shuffled, asked)
    assert rows(other.kept) == rows(result.kept)
    assert other.plan == result.plan


@pytest.mark.parametrize("options", ONE_STEP, ids=str)
@settings(max_examples=6, deadline=None)
@given(pairs=scored(), rng=st.randoms(use_true_random=False))
def test_every_step_keeps_or_removes_once_for_good_in_any_order(
    options: dict[str, Any], pairs: pl.DataFrame, rng: random.Random
) -> None:
    check_plan(pairs, plan(options), rng)


@settings(max_examples=25, deadline=None)
@given(scored(), PLANS, st.randoms(use_true_random=False))
def test_so_does_every_plan(
    pairs: pl.DataFrame, steps: list[dict[str, Any]], rng: random.Random
) -> None:
    check_plan(pairs, plan(*steps), rng)


@given(scored(), st.sampled_from([0.5, 0.7, 0.9]))
def test_a_majority_never_inverts_and_leaves_no_contradiction(
    pairs: pl.DataFrame, posterior: float
) -> None:
    result = curate(pairs, plan({"step": "majority", "posterior": posterior}))
    left = votes_by_direction(result.kept)
    cast = votes_by_direction(pairs)
    for prompt, chosen, rejected in left:
        back = (prompt, rejected, chosen)
        assert chosen == rejected or back not in left
        if back in cast and chosen != rejected:
            assert cast[prompt, chosen, rejected] > cast[back]
    for direction in cast.keys() - left.keys():
        assert (direction[0], direction[2], direction[1]) in cast, "only contradictions go"


def votes_by_direction(pairs: pl.DataFrame) -> dict[tuple[str, str, str], float]:
    """Votes for each direction, those of pairs the other way round included."""
    found: dict[tuple[str, str, str], float] = {}
    texts = [(r["prompt_id"], r["chosen"][0]["content"], r["rejected"][0]["content"], r["votes"]) for r in pairs.iter_rows(named=True)]  # fmt: skip
    for prompt, chosen, rejected, _ in texts:
        found[prompt, chosen, rejected] = 0.0
    for prompt, chosen, rejected, votes in texts:
        choices = [vote["choice"] for vote in votes or [{"choice": "chosen"}]]
        ties = choices.count("tie") / 2
        found[prompt, chosen, rejected] += choices.count("chosen") + ties
        if (prompt, rejected, chosen) in found and chosen != rejected:
            found[prompt, rejected, chosen] += choices.count("rejected") + ties
    return found


@pytest.mark.parametrize(
    ("fore", "back", "kept"), [(2, 1, 0), (4, 1, 0), (6, 1, 6), (1, 6, 6), (3, 3, 0), (3, 0, 3)]
)
def test_a_majority_must_be_clear(fore: int, back: int, kept: int) -> None:
    one = [pair("q", "a", "b", n) for n in range(fore)]
    other = [pair("q", "b", "a", 100 + n) for n in range(back)]
    result = curate(frame(*one, *other), plan({"step": "majority"}))
    assert result.kept.height == kept
    reasons = {"outvoted"} if kept and back else {"undecided"} if back else set()
    assert set(result.removed["reason"]) == reasons


@given(scored())
def test_balance_is_exact_in_every_bin(pairs: pl.DataFrame) -> None:
    result = curate(pairs, plan({"step": "balance-length", "bins": 3}))
    size = pl.col("chosen").list.first().struct.field("content").str.len_chars().cast(pl.Int64)
    other = pl.col("rejected").list.first().struct.field("content").str.len_chars()
    difference = result.kept.select(d=size - other.cast(pl.Int64))["d"]
    edges = [-1.0, *(result.plan.steps[0].edges or ()), float("inf")]
    for low, high in pairwise(edges):
        inside = difference.filter((difference.abs() > low) & (difference.abs() <= high))
        assert (inside > 0).sum() == (inside < 0).sum()


def test_the_best_of_duplicates_stays() -> None:
    pairs = frame(
        pair("q", "a", "b", 1, chosen_score=1.0, rejected_score=0.0),
        pair("q", "a", "b", 2, chosen_score=3.0, rejected_score=0.0),
        pair("q", "A ", "b", 3, chosen_score=2.0, rejected_score=-9.0),
        pair("q", "a", "b", 4),
    )

    def stays(**options: str) -> list[int]:
        return curate(pairs, plan({"step": "dedup"} | options)).kept["row"].to_list()

    assert stays() == [1, 3]
    assert stays(keep="margin") == [2, 3]
    assert stays(how="loose") == [1]
    assert stays(how="loose", keep="chosen_score") == [2]
    assert stays(how="loose", keep="margin") == [3]


def test_caps_keep_the_largest_margins_or_a_draw() -> None:
    pairs = frame(*(pair("q", f"a{n}", "b", n, margin=float(n % 5)) for n in range(1, 10)))
    by_margin = curate(pairs, plan({"step": "cap", "most": 3, "by": "margin"}))
    assert sorted(by_margin.kept["margin"]) == [3.0, 4.0, 4.0]
    drawn = [curate(pairs, plan({"step": "cap", "most": 3, "seed": s})).kept for s in range(4)]
    assert {each.height for each in drawn} == {3}
    assert len({tuple(each["row"]) for each in drawn}) > 1


def test_limits_include_themselves_and_say_why() -> None:
    pairs = frame(
        *(pair("q", f"a{n}", "b", n, margin=float(n)) for n in range(1, 5)), pair("q", "x", "b", 9)
    )
    asked = {"step": "filter", "column": "margin", "min": 2, "max": 3}
    result = curate(pairs, plan(asked))
    assert result.kept["row"].to_list() == [2, 3]
    assert dict(result.removed.select("row", "reason").iter_rows()) == {
        1: "margin-too-low",
        4: "margin-too-high",
        9: "margin-missing",
    }
    kept = curate(pairs, plan(asked | {"missing": "keep"})).kept
    assert kept["row"].to_list() == [2, 3, 9]


def test_recipes_keep_what_their_papers_say() -> None:
    pairs = frame(
        *(
            pair("q", f"a{n}", "b" * n, n, chosen_score=float(2 * n), rejected_score=float(n),
                 meta={"implicit_margin": -n, "validation_loss": 10 - n})
            for n in range(1, 9)
        )
    )  # fmt: skip

    def kept(**options: Any) -> list[int]:
        return curate(pairs, plan(options)).kept["row"].to_list()

    limits = {"min_rejected_score": 3, "min_rejected_characters": 4, "max_margin": 6}
    assert kept(step="rip", **limits) == [4, 5, 6]
    assert kept(step="margin-share", share=0.25) == [6, 7, 8]  # the limit itself stays
    assert kept(step="margin-share", share=0.25, end="smallest") == [1, 2, 3]
    assert kept(step="selective-dpo", tau=0.25) == [6, 7, 8]
    assert kept(step="selective-dpo", tau=0.25, by="implicit_margin") == [1, 2, 3]
    both = {"margin": [0, 8], "implicit_margin": [-8, 0], "limit": 0.49}
    assert kept(step="dual-margin", **both) == list(range(1, 9))  # p and 1 - p always give 1/2


def test_columns_of_the_frame_and_fields_of_meta_are_one() -> None:
    pairs = frame(*(pair("q", f"a{n}", "b", n, meta={"my score": n}) for n in range(4)))
    asked = plan({"step": "filter", "column": "my score", "min": 2})
    assert curate(pairs, asked).kept["row"].to_list() == [2, 3]
    column = pairs.with_columns(pl.lit("{}").alias("meta"), pl.Series("my score", [3, 0, 0, 5]))
    assert curate(column, asked).kept["row"].to_list() == [0, 3]


def test_log_probs_of_a_run_are_an_implicit_margin() -> None:
    logps = {"chosen_logps": -5, "ref_chosen_logps": -9, "rejected_logps": -7}
    pairs = frame(
        pair("q", "a", "b", 1, meta=logps | {"ref_rejected_logps": -6}),  # +4 and -1: 5
        pair("q", "c", "b", 2, meta=logps | {"ref_rejected_logps": -8}),  # +4 and +1: 3
    )
    asked = plan({"step": "filter", "column": "implicit_margin", "min": 4.9, "max": 5.1})
    assert curate(pairs, asked).kept["row"].to_list() == [1]


@pytest.mark.parametrize(
    ("step", "column"),
    [
        ({"step": "rip"}, "rejected_score"),
        ({"step": "dual-margin"}, "margin"),
        ({"step": "selective-dpo"}, "validation_loss"),
        ({"step": "perplexity-difference"}, "ppl_difference"),
        ({"step": "margin-share", "column": "implicit_margin"}, "implicit_margin"),
        ({"step": "filter", "column": "chosen_scor", "min": 1}, "chosen_scor"),
    ],
)
def test_a_missing_score_is_named_with_who_makes_it(step: dict[str, Any], column: str) -> None:
    with pytest.raises(InputError, match=f"no pair has a number in '{column}'") as error:
        curate(frame(pair("q", "a", "b")), plan(step))
    assert error.value.hint


def test_an_empty_set_goes_through_every_step() -> None:
    empty = frame()
    for options in ONE_STEP:
        if options["step"] != "dual-margin":  # has no limit to work out
            assert curate(empty, plan(options)).kept.equals(empty), options
    assert curate(empty, SAFE_FIXES).removed.columns == [*empty.columns, "reason"]


def test_a_plan_is_read_from_yaml(tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text("steps:\n- step: fix\n- {step: cap, most: 2}\n")
    assert load_plan(file) == plan({"step": "fix"}, {"step": "cap", "most": 2})


def test_all_problems_of_a_plan_are_listed() -> None:
    steps = [
        {"step": "dedpu"},
        {"step": "cap", "moist": 2},
        {"step": "cap", "most": 0},
        {"how": "exact"},
        {"step": "sample"},
        {"step": "filter", "column": "margin", "min": "x" * 99},
    ]
    with pytest.raises(ConfigError) as error:
        read_plan({"steps": steps, "sed": 1}, "plan.yaml")
    assert error.value.problems == [
        "steps.1.step: unknown step 'dedpu'; did you mean 'dedup'?",
        "steps.2.most: is needed",
        "steps.2.moist: unknown key; did you mean 'most'?",
        "steps.3.most: Input should be greater than or equal to 1, not 0",
        "steps.4: says no step",
        "steps.5: set either size or share, not {'step': 'sample'}",
        "steps.6.min: Input should be a valid number, unable to parse string as a number,"
        f" not '{'x' * 59}…",
        "sed: unknown key; known: steps",
    ]
    with pytest.raises(ConfigError, match=r"steps\.1\.rules: there is no rule 'identical'"):
        read_plan({"steps": [{"step": "fix", "rules": ["identical"]}]}, "plan.yaml")
    with pytest.raises(ConfigError, match="plan: Input should be"):
        read_plan(["fix"], "plan.yaml")
