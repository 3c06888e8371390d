"""The probe is scikit-learn's logistic regression on pairs and their mirror images."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from scipy.special import expit
from scipy.stats import binomtest
from sklearn.linear_model import LogisticRegression

from prefdata.stats import probe
from prefdata.stats.clustered import clustered_share
from prefdata.stats.confident import doubted
from prefdata.stats.multiple import benjamini_hochberg, mcnemar_z, two_sided

SEEDS = st.integers(0, 2**32 - 1)


def differences(seed: int, pairs: int = 200, features: int = 6) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(pairs, features))
    rows[rng.random(pairs) < expit(-2 * rows[:, 0])] *= -1
    return rows


def mirrored(rows: np.ndarray, strength: float) -> np.ndarray:
    """The weights by scikit-learn, every pair in both orders."""
    labels = np.repeat([1, 0], len(rows))
    model = LogisticRegression(C=strength / 2, fit_intercept=False, tol=1e-12, max_iter=10_000)
    return model.fit(np.concatenate([rows, -rows]), labels).coef_[0]


@pytest.mark.parametrize("strength", [0.03, 1.0, 10.0])
@pytest.mark.parametrize("seed", range(5))
def test_is_the_regression_on_mirrored_pairs(seed: int, strength: float) -> None:
    rows = differences(seed)
    expected = mirrored(rows, strength)
    found = probe.fit(rows, strength)
    assert found == pytest.approx(expected, abs=1e-6)
    assert expit(rows @ found) == pytest.approx(expit(rows @ expected), abs=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_of_sparse_differences_is_the_same_within_a_percent(seed: int) -> None:
    rows = differences(seed)
    expected = probe.fit(rows, 1.0)
    found = probe.fit(csr_matrix(rows), 1.0)
    assert rows @ found == pytest.approx(rows @ expected, abs=0.01 * np.abs(rows @ expected).max())


@given(SEEDS)
@settings(max_examples=20)
def test_swapped_sides_have_exactly_the_other_odds(seed: int) -> None:
    rows = differences(seed, pairs=20)
    folds = np.arange(20) % probe.FOLDS
    weights = probe.fit_folds(rows, folds, 1.0)
    odds = probe.logits(rows, folds, weights)
    assert (probe.logits(-rows, folds, weights) == -odds).all()
    assert (probe.accuracies(-odds) == 1 - probe.accuracies(odds)).all()


def test_no_fold_is_judged_by_what_it_taught() -> None:
    """A feature that only one fold has says nothing about that fold."""
    rows = np.zeros((50, probe.FOLDS))
    folds = np.arange(50) % probe.FOLDS
    rows[np.arange(50), folds] = 1
    odds = probe.logits(rows, folds, probe.fit_folds(rows, folds, 10.0))
    assert odds == pytest.approx(np.zeros(50), abs=1e-9)
    assert set(probe.accuracies(np.zeros(3))) == {0.5}


def wilson_interval(hits: int, total: int) -> tuple[float, float]:
    interval = binomtest(hits, total).proportion_ci(method="wilson")
    return interval.low, interval.high


@given(st.lists(st.booleans(), min_size=1))
def test_rows_of_their_own_have_wilsons_interval(hits: list[bool]) -> None:
    share = clustered_share(np.array(hits, float), np.arange(len(hits)))
    expected = wilson_interval(sum(hits), len(hits))
    assert (share.low, share.high) == pytest.approx(expected, abs=1e-6)


def test_copies_of_rows_teach_nothing_new() -> None:
    """Each row five times: the interval is that of the rows once, but for the few clusters."""
    hits = np.random.default_rng(0).random(400) < 0.7
    once = clustered_share(hits.astype(float), np.arange(400))
    copies = clustered_share(np.repeat(hits, 5).astype(float), np.repeat(np.arange(400), 5))
    assert copies == pytest.approx(once, abs=1e-3)
    same = clustered_share(np.ones(100), np.repeat(np.arange(4), 25))
    assert same.low == pytest.approx(wilson_interval(4, 4)[0], abs=1e-6)


def test_the_interval_holds_the_truth_in_95_of_100_sets_of_clusters() -> None:
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(400):
        truth = rng.beta(6, 3, 60)  # a share of its own for each prompt, 2/3 on average
        hits = (rng.random((60, 8)) < truth[:, None]).ravel()
        share = clustered_share(hits.astype(float), np.repeat(np.arange(60), 8))
        held += share.low <= 2 / 3 <= share.high
    assert 0.92 <= held / 400 <= 0.98


@given(st.lists(st.floats(0, 1), min_size=1, max_size=50))
def test_adjusted_p_values_are_those_of_the_definition(values: list[float]) -> None:
    """A test is adjusted to the least p * tests / rank among those with a p at least its own."""
    ranked = sorted(values)
    steps = [p * len(values) / rank for rank, p in enumerate(ranked, 1)]
    expected = [min([1.0, *steps[ranked.index(p) :]]) for p in values]
    assert benjamini_hochberg(values) == pytest.approx(expected, abs=1e-9)


def test_mcnemar_z_and_its_p_value() -> None:
    z = mcnemar_z([30, 0, 5], [10, 0, 5])
    assert z == pytest.approx([20 / np.sqrt(40), 0, 0])
    assert two_sided(z)[0] == pytest.approx(0.0015654, abs=1e-6)
    assert benjamini_hochberg([]).size == 0


@given(st.lists(st.floats(0, 1), max_size=50))
def test_doubted_labels_are_less_probable_than_not(values: list[float]) -> None:
    probabilities = np.array(values)
    assert (probabilities[doubted(probabilities)] <= 0.5).all()


def test_the_threshold_is_the_mean_confidence() -> None:
    assert doubted(np.array([0.9, 0.9, 0.9, 0.4, 0.1])).tolist() == [False] * 4 + [True]
