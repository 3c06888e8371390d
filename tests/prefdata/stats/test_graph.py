from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefdata.stats.graph import hodge_rank, strong_components

NODES = 7

edges = st.lists(
    st.tuples(st.integers(0, NODES - 1), st.integers(0, NODES - 1)).filter(lambda e: e[0] != e[1]),
    min_size=1,
    max_size=20,
)


def columns(edges: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    return tuple(np.array(edges).T)


@given(edges)
def test_one_component_is_where_each_reaches_the_other(edges: list[tuple[int, int]]) -> None:
    reach = np.eye(NODES, dtype=bool)
    reach[columns(edges)] = True
    for middle in range(NODES):
        reach |= reach[:, [middle]] & reach[[middle]]
    parts = strong_components(*columns(edges), NODES)
    np.testing.assert_array_equal(parts[:, None] == parts[None, :], reach & reach.T)


@given(edges, st.randoms(use_true_random=False))
def test_hodge_rank_is_the_least_squares_solution_of_least_norm(edges, random) -> None:
    values = np.array([random.uniform(-1, 1) for _ in edges])
    weights = np.array([random.uniform(0.5, 3) for _ in edges])
    winners, losers = columns(edges)
    differences = np.zeros((len(edges), NODES))
    np.add.at(differences, (np.arange(len(edges)), winners), 1)
    np.add.at(differences, (np.arange(len(edges)), losers), -1)
    root = np.sqrt(weights)
    expected = np.linalg.lstsq(differences * root[:, None], values * root, rcond=None)[0]
    ranking = hodge_rank(winners, losers, values, weights, NODES)
    np.testing.assert_allclose(ranking.scores, expected, atol=1e-6)
    np.testing.assert_allclose(ranking.residuals, values - differences @ expected, atol=1e-6)
    left = (weights * ranking.residuals**2).sum()
    assert ranking.inconsistency * (weights * values**2).sum() == pytest.approx(left)


@pytest.mark.parametrize("length", range(3, 7))
def test_a_cycle_is_all_inconsistent_and_a_ranking_is_not_at_all(length: int) -> None:
    nodes = np.arange(length)
    ones = np.ones(length)
    assert hodge_rank(nodes, np.roll(nodes, -1), ones, ones, length).inconsistency == pytest.approx(
        1
    )
    chain = hodge_rank(nodes[:-1], nodes[1:], ones[1:], ones[1:], length)
    assert chain.inconsistency == pytest.approx(0, abs=1e-9)
