from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, norm

from prefdata.stats.intervals import paired_difference, simultaneous_z, wilson


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_equals_the_reference(counts: tuple[int, int]) -> None:
    expected = binomtest(*counts).proportion_ci(0.95, method="wilson")
    assert wilson(*counts) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_simultaneous_intervals_are_wider_by_bonferroni() -> None:
    assert simultaneous_z(1) == pytest.approx(norm.ppf(0.975))
    expected = binomtest(3, 20).proportion_ci(1 - 0.05 / 8, method="wilson")
    assert wilson(3, 20, simultaneous_z(8)) == pytest.approx((expected.low, expected.high))


@given(st.integers(0, 200), st.integers(0, 200), st.integers(0, 200))
def test_a_paired_difference_is_a_mean_of_rows(first: int, second: int, other: int) -> None:
    """Every row gives 1, -1 or 0; half a row is added to each of the cells, two of which give 0."""
    values, rows = np.array([1.0, -1.0, 0.0]), np.array([first + 0.5, second + 0.5, other + 1])
    mean = np.average(values, weights=rows)
    error = np.sqrt(np.average((values - mean) ** 2, weights=rows) / rows.sum())
    expected = mean + norm.ppf([0.025, 0.975]) * error
    low, high = paired_difference(first, second, first + second + other)
    assert (low, high) == pytest.approx(np.clip(expected, -1, 1), abs=1e-9)
