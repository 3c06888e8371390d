from __future__ import annotations

import numpy as np
import pytest

from prefdata.stats.annotators import annotator_accuracies
from prefdata.stats.intervals import simultaneous_z


def crowd(accuracies: list[float], items: int, per_item: int, seed: int) -> tuple[np.ndarray, ...]:
    """Votes of annotators drawn at random on items whose truth is drawn, too."""
    rng = np.random.default_rng(seed)
    who = [rng.choice(len(accuracies), per_item, replace=False) for _ in range(items)]
    annotators, item = np.concatenate(who), np.repeat(np.arange(items), per_item)
    right = rng.random(len(item)) < np.array(accuracies)[annotators]
    truth = rng.choice([-1, 1], items)
    return item, annotators, truth[item] * np.where(right, 1, -1)


@pytest.mark.parametrize("seed", range(25))
def test_the_inverted_annotator_is_found_and_nobody_else(seed: int) -> None:
    accuracies = [0.15, 0.9, 0.6, 0.75, 0.8, 0.7, 0.85, 0.65]
    votes = crowd(accuracies, 1000, 3, seed)
    z = simultaneous_z(len(accuracies))
    found = annotator_accuracies(*votes, (1000, len(accuracies)), z)
    assert np.flatnonzero(found.high < 0.5).tolist() == [0]
    assert (found.low <= found.accuracy).all()
    assert (found.accuracy <= found.high).all()


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    accuracies = [0.55, 0.6, 0.7, 0.75, 0.8, 0.9]
    covered = []
    for seed in range(60):
        found = annotator_accuracies(*crowd(accuracies, 400, 4, seed), (400, len(accuracies)))
        covered += [*((found.low <= accuracies) & (accuracies <= found.high))]
    assert np.mean(covered) > 0.9


def test_the_accuracies_are_of_greatest_likelihood() -> None:
    """No step from them makes the votes likelier, summed over both truths of each item."""
    accuracies = [0.8, 0.7, 0.6, 0.75]
    items, annotators, votes = crowd(accuracies, 3000, 4, 0)
    sides = np.zeros((3000, 4))
    sides[items, annotators] = votes

    def likelihood(shares: np.ndarray) -> float:
        ways = [np.where(sides == truth, shares, 1 - shares).prod(axis=1) for truth in (1, -1)]
        return float(np.log(sum(ways) / 2).sum())

    found = annotator_accuracies(items, annotators, votes, (3000, 4)).accuracy
    for step in np.concatenate([np.eye(4), -np.eye(4)]) * 0.01:
        assert likelihood(found) > likelihood(found + step)


def test_with_known_truth_the_accuracy_is_the_share_of_right_votes() -> None:
    """Thirty honest voters settle every item, so the last one's accuracy can be counted."""
    items, annotators, votes = crowd([0.9] * 30 + [0.4], 200, 31, 3)
    truth = np.sign(np.bincount(items, votes))
    of_last = annotators == 30
    counted = np.mean(votes[of_last] == truth[items[of_last]])
    found = annotator_accuracies(items, annotators, votes, (200, 31))
    assert found.accuracy[30] == pytest.approx(counted, abs=1e-6)


def test_turning_every_item_changes_nothing() -> None:
    items, annotators, votes = crowd([0.2, 0.7, 0.8, 0.9], 100, 3, 1)
    turn = np.random.default_rng(0).choice([-1, 1], 100)
    first = annotator_accuracies(items, annotators, votes, (100, 4))
    second = annotator_accuracies(items, annotators, votes * turn[items], (100, 4))
    np.testing.assert_allclose(np.stack(first), np.stack(second), atol=1e-9)


def test_no_votes() -> None:
    nothing = np.zeros(0, np.int64)
    assert annotator_accuracies(nothing, nothing, nothing, (0, 0)).votes.size == 0
