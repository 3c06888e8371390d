from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefdata.stats.graph import cyclic_triads, hodge_rank, kendall_zeta, strong_components

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


@given(st.integers(3, 7), st.randoms(use_true_random=False))
def test_triads_of_a_round_robin(size: int, random) -> None:
    games = [(i, j) if random.random() < 0.5 else (j, i) for i in range(size) for j in range(i)]
    won = np.bincount(columns(games)[0], minlength=size)
    # Kendall & Babington Smith 1940, from the scores alone
    expected = size * (size - 1) * (2 * size - 1) / 12 - (won**2).sum() / 2
    triads = cyclic_triads(*columns(games), size)
    assert triads == expected
    circles = [p for p in permutations(range(size), 3) if p[0] == min(p)]
    played = set(games)
    assert triads == sum({(a, b), (b, c), (c, a)} <= played for a, b, c in circles)
    assert 0 <= kendall_zeta(triads, size) <= 1


def test_zeta_is_one_for_a_ranking_and_zero_for_the_regular_tournament() -> None:
    assert kendall_zeta(0, 5) == 1
    circle = [(i, (i + step) % 5) for i in range(5) for step in (1, 2)]
    assert kendall_zeta(cyclic_triads(*columns(circle), 5), 5) == 0
