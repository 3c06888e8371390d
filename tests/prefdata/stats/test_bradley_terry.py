from __future__ import annotations

import choix
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefdata.errors import PrefError
from prefdata.stats.bradley_terry import bradley_terry


def games(wins: np.ndarray) -> list[tuple[int, int]]:
    return [(i, j) for (i, j), times in np.ndenumerate(wins) for _ in range(int(times))]


@given(st.integers(2, 6), st.integers(0, 2**32 - 1))
def test_equals_the_reference(size: int, seed: int) -> None:
    wins = np.random.default_rng(seed).integers(1, 8, (size, size)) * (1 - np.eye(size))
    expected = choix.ilsr_pairwise(size, games(wins), tol=1e-12)
    np.testing.assert_allclose(bradley_terry(wins), expected - expected.mean(), atol=1e-6)


def test_a_ridge_equals_the_reference_where_one_always_wins() -> None:
    wins = np.array([[0.0, 5, 3], [0, 0, 4], [0, 1, 0]])
    # choix adds alpha Σ s² to the negative log-likelihood
    expected = choix.opt_pairwise(3, games(wins), alpha=0.05, method="Newton-CG", tol=1e-12)
    np.testing.assert_allclose(bradley_terry(wins, ridge=0.1), expected, atol=1e-6)


def test_strengths_that_are_not_finite_are_an_error() -> None:
    with pytest.raises(PrefError) as error:
        bradley_terry(np.array([[0.0, 3], [0, 0]]))
    assert "ridge" in str(error.value.hint)
