"""Strengths of contestants from who beat whom (Bradley & Terry 1952)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from prefdata.errors import PrefError

Floats = npt.NDArray[np.float64]

_STEPS = 100
_PRECISION = 1e-12


def bradley_terry(wins: Floats, ridge: float = 0.0) -> Floats:
    """Returns (N,) the log-strengths of greatest likelihood, in nats, with mean 0.

    P(i beats j) = 1 / (1 + exp(s_j - s_i)). Newton's method on the concave log-likelihood.

    Args:
        wins: (N, N), how often i beat j.
        ridge: weight of -½ Σ s², which bounds the strengths where one contestant always wins.

    Raises:
        PrefError: without a ridge there is no maximum: some contestants never lost to the others.
    """
    if not ridge and not _comparable(wins):
        raise PrefError(
            "Bradley-Terry strengths are not finite: some contestants never lost to the others",
            hint="give a ridge > 0",
        )
    size = len(wins)
    games = wins + wins.T
    won = wins.sum(axis=1)
    scores = np.zeros(size)
    for _ in range(_STEPS):
        chance = 1 / (1 + np.exp(scores[None, :] - scores[:, None]))
        gradient = won - (games * chance).sum(axis=1) - ridge * scores
        information = -games * chance * chance.T
        np.fill_diagonal(information, 0)
        np.fill_diagonal(information, ridge - information.sum(axis=1))
        # the likelihood does not know the mean: pin it
        step = np.linalg.solve(information + 1 / size, gradient)
        scores = scores + step / max(1.0, float(np.abs(step).max()))
        if np.abs(step).max() < _PRECISION:
            break
    return np.asarray(scores - scores.mean())


def _comparable(wins: Floats) -> bool:
    """Tells whether each contestant beat each other one, directly or through others (Ford 1957)."""
    from scipy.sparse.csgraph import connected_components

    count, _ = connected_components(wins > 0, directed=True, connection="strong")
    return bool(count == 1)
