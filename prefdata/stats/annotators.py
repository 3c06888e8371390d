"""How often annotators are right, where nobody knows the truth (Dawid & Skene 1979).

A vote is 1 or -1, for one or the other side of an item. The sides are exchangeable: each is the
better one with probability ½, and an annotator is right equally often on both, so one number, the
accuracy, says all about an annotator. Below ½ the answers are inverted.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from prefdata.stats.intervals import Z95

Floats: TypeAlias = npt.NDArray[np.float64]
Ids: TypeAlias = npt.NDArray[np.integer]

_ROUNDS = 500
_PRECISION = 1e-10
_HALVINGS = 24
_EDGE = 1e-6  # accuracies nearer to 0 and 1 are not told from them
_AT_FIRST = 0.75  # everybody is believed to be right more often than not: the majority decides


class Accuracies(NamedTuple):
    """What is known of each annotator.

    Attributes:
        accuracy: (A,) the expected share of votes that are right; 0 without votes.
        low: (A,) lower end of its interval.
        high: (A,) upper end.
        votes: (A,) votes.
    """

    accuracy: Floats
    low: Floats
    high: Floats
    votes: Ids


def annotator_accuracies(
    items: Ids, annotators: Ids, votes: Ids, counts: tuple[int, int], z: float = Z95
) -> Accuracies:
    """Returns the accuracies of greatest likelihood, by expectation maximisation.

    In the weight of an annotator, half a right and half a wrong vote are added to those given. The
    accuracies are told from their opposites by the majority, which is taken to be honest. The
    intervals are those of the likelihood ratio, the truth being as certain as the votes of the
    others make it.

    Args:
        items: (V,) item of each vote, from 0.
        annotators: (V,) annotator of each vote, from 0.
        votes: (V,) 1 or -1. An item with one vote says nothing of its annotator.
        counts: numbers of items and of annotators.
        z: quantile of the normal distribution that the intervals are made with.
    """
    n_items, n_annotators = counts
    cast = np.bincount(annotators, minlength=n_annotators)
    hits: Floats = _AT_FIRST * cast.astype(np.float64)
    trust: Floats = np.full(n_annotators, _AT_FIRST)
    own: Floats = np.zeros(len(votes))
    believed = own
    for _ in range(_ROUNDS):
        own = votes * _logit(trust)[annotators]
        # log P(1 is better) - log P(-1 is), then of the side that the vote is for
        believed = votes * _sums(items, own, n_items)[items]
        hits = _sums(annotators, _sigmoid(believed), n_annotators)
        # half a vote more on either side keeps the weights finite
        before, trust = trust, (hits + 0.5) / (cast + 1)
        if np.abs(trust - before).max(initial=0) < _PRECISION:
            break
    by_others = _sigmoid(believed - votes * own)
    accuracy = hits / np.maximum(cast, 1)
    low, high = _likelihood_interval(by_others, annotators, accuracy, z)
    return Accuracies(accuracy, low, high, cast)


def _likelihood_interval(
    by_others: Floats, annotators: Ids, accuracy: Floats, z: float
) -> tuple[Floats, Floats]:
    """Returns where the log-likelihood is z²/2 below its maximum, on either side, by bisection.

    Args:
        by_others: (V,) q, the probability of the side voted for by the votes of the others. With
            accuracy a the vote has probability q a + (1 - q) (1 - a); its log is concave in a.
        annotators: (V,) annotator of each vote.
        accuracy: (A,) of greatest likelihood.
        z: quantile of the normal distribution.
    """

    def likelihood(share: Floats) -> Floats:
        right = share[annotators]
        chance = by_others * right + (1 - by_others) * (1 - right)
        return _sums(annotators, np.log(chance), len(share))

    bounded: Floats = np.clip(accuracy, _EDGE, 1 - _EDGE)
    least = likelihood(bounded) - z**2 / 2
    ends: list[Floats] = []
    for end in (_EDGE, 1 - _EDGE):
        inside: Floats = bounded
        outside: Floats = np.full(len(bounded), end)
        for _ in range(_HALVINGS):
            middle = (inside + outside) / 2
            good = likelihood(middle) >= least
            inside, outside = np.where(good, middle, inside), np.where(good, outside, middle)
        ends.append(outside)
    return ends[0], ends[1]


def _sums(places: Ids, values: Floats, size: int) -> Floats:
    return np.asarray(np.bincount(places, values, minlength=size), np.float64)


def _logit(share: Floats) -> Floats:
    return np.log(share) - np.log1p(-share)


def _sigmoid(odds: Floats) -> Floats:
    return np.asarray(0.5 * (1 + np.tanh(odds / 2)))
