from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, norm

from prefdata.stats.intervals import simultaneous_z, wilson


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_equals_the_reference(counts: tuple[int, int]) -> None:
    expected = binomtest(*counts).proportion_ci(0.95, method="wilson")
    assert wilson(*counts) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_simultaneous_intervals_are_wider_by_bonferroni() -> None:
    assert simultaneous_z(1) == pytest.approx(norm.ppf(0.975))
    expected = binomtest(3, 20).proportion_ci(1 - 0.05 / 8, method="wilson")
    assert wilson(3, 20, simultaneous_z(8)) == pytest.approx((expected.low, expected.high))
