from __future__ import annotations

import krippendorff
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from prefdata.stats.agreement import Scale, alpha_interval, krippendorff_alpha

SCALES: tuple[Scale, ...] = ("nominal", "ordinal", "interval")

counts = st.tuples(st.integers(1, 25), st.integers(2, 5)).flatmap(
    lambda shape: arrays(np.int64, shape, elements=st.integers(0, 4))
)


def reference(counts: np.ndarray, scale: Scale) -> float:
    found = krippendorff.alpha(
        value_counts=counts, value_domain=np.arange(counts.shape[1]), level_of_measurement=scale
    )
    return float(found)


def two_values_meet(counts: np.ndarray) -> bool:
    return bool((counts[counts.sum(1) > 1].sum(0) > 0).sum() > 1)


@pytest.mark.parametrize("scale", SCALES)
@given(counts=counts)
def test_equals_the_reference(counts: np.ndarray, scale: Scale) -> None:
    assume(two_values_meet(counts))
    assert krippendorff_alpha(counts, scale) == pytest.approx(reference(counts, scale), abs=1e-9)


@pytest.mark.parametrize("scale", SCALES)
@given(counts=counts, turned=st.randoms(use_true_random=False))
def test_exchangeable_sides_may_be_turned(counts: np.ndarray, turned, scale: Scale) -> None:
    both = np.concatenate([counts, counts[:, ::-1]])
    assume(two_values_meet(both))
    alpha = krippendorff_alpha(counts, scale, exchangeable=True)
    assert alpha == pytest.approx(reference(both, scale), abs=1e-9)
    some = np.array([item[::-1] if turned.random() < 0.5 else item for item in counts])
    assert krippendorff_alpha(some, scale, exchangeable=True) == pytest.approx(alpha, abs=1e-9)


def test_interval_scale_takes_values() -> None:
    counts = np.array([[2, 0, 1], [0, 3, 0], [1, 1, 1], [0, 0, 2]])
    domain = np.array([-3.0, 0.0, 1.0])
    expected = krippendorff.alpha(
        value_counts=counts, value_domain=domain, level_of_measurement="interval"
    )
    assert krippendorff_alpha(counts, "interval", domain) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("counts", [np.zeros((3, 3), int), np.array([[1, 0], [0, 1]])])
def test_nothing_to_compare_is_not_a_number(counts: np.ndarray) -> None:
    assert np.isnan(krippendorff_alpha(counts, "nominal"))
    assert np.isnan(alpha_interval(counts, "nominal")).all()


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    """Three annotators who are right with probability a: alpha is (2a - 1)² on exchangeable sides."""
    accuracy, covered = 0.8, 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        right = rng.binomial(3, accuracy, 200)
        counts = np.stack([3 - right, right], axis=1)
        low, high = alpha_interval(counts, "nominal", exchangeable=True, seed=seed)
        covered += low <= (2 * accuracy - 1) ** 2 <= high
    assert covered >= 88


def test_the_interval_does_not_depend_on_the_order_of_the_items() -> None:
    counts = np.random.default_rng(1).integers(0, 3, (50, 3))
    assert alpha_interval(counts, "nominal") == alpha_interval(counts[::-1], "nominal")
