"""Pair metrics: numbers worked out by hand, symmetries, and intervals that hold what they promise."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefalign.metrics import (
    METRICS,
    Estimate,
    PairScores,
    bootstrap,
    contrast,
    margins,
    summarise,
    wins,
)
from prefdata.errors import InputError

# Four pairs: won, lost, tied, won relative to the reference.
REFERENCE = PairScores(
    chosen_logps=np.array([-10.0, -8.0, -6.0, -9.0]),
    rejected_logps=np.array([-12.0, -7.0, -6.0, -3.0]),
    chosen_tokens=np.array([5.0, 4.0, 2.0, 9.0]),
    rejected_tokens=np.array([4.0, 4.0, 3.0, 1.0]),
)
MODEL = REFERENCE._replace(
    chosen_logps=np.array([-8.0, -9.0, -5.0, -8.5]),
    rejected_logps=np.array([-13.0, -7.0, -5.0, -3.0]),
)


@st.composite
def two_models(draw: st.DrawFn) -> tuple[PairScores, PairScores]:
    size = draw(st.integers(1, 20))
    logps = st.lists(st.integers(-400, -1).map(lambda n: n / 4), min_size=size, max_size=size).map(
        np.array
    )
    tokens = st.lists(st.integers(1, 9).map(float), min_size=size, max_size=size).map(np.array)
    model = PairScores(draw(logps), draw(logps), draw(tokens), draw(tokens))
    return model, model._replace(chosen_logps=draw(logps), rejected_logps=draw(logps))


def swapped(scores: PairScores) -> PairScores:
    return PairScores(
        scores.rejected_logps, scores.chosen_logps, scores.rejected_tokens, scores.chosen_tokens
    )


def test_values_worked_out_by_hand() -> None:
    found = summarise(MODEL, REFERENCE)
    # moves towards chosen: 2, -1, 1, 0.5; towards rejected: -1, 0, 1, 0
    assert margins(MODEL, REFERENCE).tolist() == [3, -1, 0, 0.5]
    assert found.margin_reference.value == (3 - 1 + 0 + 0.5) / 4
    assert found.accuracy_reference.value == (1 + 0 + 0.5 + 1) / 4
    # summed: -8 > -13, -9 < -7, -5 = -5, -8.5 < -3
    assert found.accuracy_sum.value == (1 + 0 + 0.5 + 0) / 4
    # per token: -1.6 > -3.25, -2.25 < -1.75, -2.5 < -1.67, -0.94 > -3
    assert found.accuracy_mean.value == (1 + 0 + 0 + 1) / 4
    assert found.drift_chosen.value == pytest.approx((2 - 1 + 1 + 0.5) / 20)
    assert found.drift_rejected.value == pytest.approx((-1 + 0 + 1 + 0) / 12)
    assert found.nll_chosen.value == pytest.approx((8 + 9 + 5 + 8.5) / 20)
    # chosen is longer in pairs 1 and 4, rejected in pair 3; pair 2 is in neither stratum
    assert found.accuracy_longer_chosen is not None
    assert found.accuracy_longer_chosen.value == 1
    assert found.accuracy_longer_rejected == Estimate(0.5, 0.5, 0.5)


def test_a_tie_is_half_right() -> None:
    assert wins([2.0, 0.0, -0.0, -1e-9]).tolist() == [1, 0.5, 0.5, 0]


@given(two_models())
@settings(max_examples=50, deadline=None)
def test_the_untouched_model_is_exactly_one_half(models: tuple[PairScores, PairScores]) -> None:
    reference, _ = models
    assert summarise(reference, reference).accuracy_reference == Estimate(0.5, 0.5, 0.5)
    assert summarise(reference, reference).margin_reference == Estimate(0, 0, 0)


@given(two_models())
@settings(max_examples=50, deadline=None)
def test_swapping_the_sides_mirrors_every_metric(models: tuple[PairScores, PairScores]) -> None:
    model, reference = models
    forward = summarise(model, reference)
    backward = summarise(swapped(model), swapped(reference))
    for name in ("accuracy_reference", "accuracy_sum", "accuracy_mean"):
        assert getattr(backward, name).value == pytest.approx(1 - getattr(forward, name).value)
        assert getattr(backward, name).low == pytest.approx(
            1 - getattr(forward, name).high, abs=1e-9
        )
    assert backward.margin_reference.value == pytest.approx(-forward.margin_reference.value)
    assert backward.drift_chosen == forward.drift_rejected
    assert (backward.accuracy_longer_chosen is None) == (forward.accuracy_longer_rejected is None)


@given(two_models())
@settings(max_examples=50, deadline=None)
def test_a_value_lies_in_its_interval_and_a_model_does_not_differ_from_itself(
    models: tuple[PairScores, PairScores],
) -> None:
    model, reference = models
    found = summarise(model, reference)
    against_itself = contrast(model, model, reference)
    for name in METRICS:
        estimate, none = getattr(found, name), getattr(against_itself, name)
        assert (estimate is None) == (none is None)
        if estimate is not None:
            assert estimate.low - 1e-9 <= estimate.value <= estimate.high + 1e-9
            assert none == Estimate(0, 0, 0)


def test_a_contrast_is_the_difference_and_narrower_than_unpaired() -> None:
    random = np.random.default_rng(5)
    base = PairScores(*(-random.gamma(9, 3, 300) for _ in range(2)), *np.full((2, 300), 7.0))
    noise = random.normal(0, 4, 300)
    one, two = (base._replace(chosen_logps=base.chosen_logps + noise + shift) for shift in (1, 1.5))
    difference = contrast(two, one, base).margin_reference
    first, second = (summarise(model, base).margin_reference for model in (one, two))
    assert difference.value == pytest.approx(second.value - first.value)
    assert difference.high - difference.low < 1e-9 < first.high - first.low


def test_equal_seeds_give_equal_intervals_and_other_seeds_do_not() -> None:
    values = np.random.default_rng(0).normal(size=(1, 50))
    one, same, other = (bootstrap(values, np.ones_like(values), seed=seed) for seed in (3, 3, 4))
    assert one == same != other


def test_resampling_in_blocks_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).normal(size=(2, 40))
    whole = bootstrap(values, np.ones_like(values))
    monkeypatch.setattr("prefalign.metrics._MOST_CELLS", 40 * 7)
    blocks = bootstrap(values, np.ones_like(values))
    np.testing.assert_allclose(
        [[e.low, e.high] for e in whole if e], [[e.low, e.high] for e in blocks if e], rtol=1e-12
    )


def test_pairs_of_one_prompt_count_as_one_observation() -> None:
    values = np.random.default_rng(1).normal(size=(1, 40))
    tenfold = np.repeat(values, 10, axis=1)
    clusters = np.repeat([f"prompt-{n:02}" for n in range(40)], 10)
    [single] = bootstrap(values, np.ones_like(values))
    [clustered] = bootstrap(tenfold, np.ones_like(tenfold), clusters)
    [naive] = bootstrap(tenfold, np.ones_like(tenfold))
    assert single is not None
    assert clustered is not None
    assert naive is not None
    assert (clustered.low, clustered.high) == pytest.approx((single.low, single.high))
    assert naive.high - naive.low < 0.5 * (clustered.high - clustered.low)


def coverage(*, clustered: bool, trials: int = 400) -> float:
    """Share of simulated sets whose 95 % interval holds the true accuracy of 0.6."""
    held = 0
    for trial in range(trials):
        random = np.random.default_rng(trial)
        size = 120
        prompts = random.integers(40, size=size) if clustered else np.arange(size)
        skill = random.choice([0.3, 0.9], size=40) if clustered else np.full(size, 0.6)
        right = (random.random(size) < skill[prompts]).astype(float)[None]
        [found] = bootstrap(right, np.ones_like(right), prompts, seed=trial, resamples=400)
        assert found is not None
        held += found.low <= 0.6 <= found.high
    return held / trials


@pytest.mark.parametrize("clustered", [False, True])
def test_intervals_hold_the_truth_about_as_often_as_they_say(clustered: bool) -> None:
    assert 0.91 <= coverage(clustered=clustered) <= 0.98


def test_scores_come_from_the_columns_of_a_frame() -> None:
    import polars as pl

    frame = pl.DataFrame(
        {
            "id": ["a", "b"],
            "chosen_logps": [-1.0, -2.0],
            "rejected_logps": [-3.0, -1.0],
            "chosen_tokens": [2, 3],
            "rejected_tokens": [4, 1],
            "ref_chosen_logps": [-2.0, -2.0],
            "ref_rejected_logps": [-3.0, -2.0],
        }
    )
    found = summarise(PairScores.of(frame), PairScores.of(frame, prefix="ref_"))
    assert found.accuracy_reference.value == 0.5
    assert found.nll_chosen.value == pytest.approx(3 / 5)
    assert [f.name for f in fields(found)] == list(METRICS)


def test_no_pairs_is_an_error_with_a_remedy() -> None:
    nothing = PairScores(*np.zeros((4, 0)))
    with pytest.raises(InputError, match="no held-out pairs") as caught:
        summarise(nothing, nothing)
    assert caught.value.hint is not None
