"""A probe of pairs: logistic regression on the difference between the features of two sides.

P(first is better) = sigmoid(w . (phi(first) - phi(second))), without intercept, so that swapping the
sides turns p into exactly 1 - p (Bradley & Terry 1952, with features). Rows are differences
phi(chosen) - phi(rejected): a positive logit agrees with the label.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Floats: TypeAlias = npt.NDArray[np.float64]
Folds: TypeAlias = npt.NDArray[np.int64]
Differences: TypeAlias = "Floats | csr_matrix"

FOLDS = 5
_TOLERANCE = 1e-10  # largest slope of the mean loss that is left
_SPARSE_TOLERANCE = 1e-3  # where logits differ from the limit's by less than 1 %
_ROUNDS = 1_000


def fit(differences: Differences, strength: float) -> Floats:
    """Returns the weights w that minimise sum log(1 + exp(-w . d)) + |w|^2 / (2 strength).

    Args:
        differences: (pairs, features), phi(chosen) - phi(rejected).
        strength: inverse of the L2 penalty; scikit-learn's C, where every pair counts once.

    Returns:
        (features,).
    """
    from sklearn.linear_model import LogisticRegression

    # both classes are needed: every other pair is turned round, which leaves the loss as it is
    turned = np.where(np.arange(differences.shape[0]) % 2, -1.0, 1.0)
    # of the many n-grams the dual, which liblinear solves by coordinates, is small (Hsieh et al. 2008)
    how: dict[str, Any] = (
        {"solver": "newton-cholesky", "tol": _TOLERANCE}
        if isinstance(differences, np.ndarray)
        else {"solver": "liblinear", "dual": True, "tol": _SPARSE_TOLERANCE, "random_state": 0}
    )
    model = LogisticRegression(C=strength, fit_intercept=False, max_iter=_ROUNDS, **how)
    return cast(Floats, model.fit(_scaled(differences, turned), turned).coef_[0])


def _scaled(differences: Differences, factors: Floats) -> Any:
    if isinstance(differences, np.ndarray):
        return differences * factors[:, None]
    return differences.multiply(factors[:, None]).tocsr()


def fit_folds(differences: Differences, folds: Folds, strength: float) -> Floats:
    """Returns the weights for each fold, of a probe that did not see it; zeros where all is one.

    Args:
        differences: (pairs, features).
        folds: (pairs,) the fold of each pair, below `FOLDS`.
        strength: see `fit`.

    Returns:
        (FOLDS, features).
    """
    weights = np.zeros((FOLDS, differences.shape[1]))
    for fold in range(FOLDS):
        others = folds != fold
        if others.sum() >= 2 and not others.all():
            weights[fold] = fit(differences[others], strength)
    return weights


def logits(differences: Differences, folds: Folds, weights: Floats) -> Floats:
    """Returns the log-odds of each pair's label, by the weights of its fold; (pairs,)."""
    found = np.empty(differences.shape[0])
    for fold in range(len(weights)):
        rows = folds == fold
        found[rows] = differences[rows] @ weights[fold]
    return found


def accuracies(log_odds: Floats) -> Floats:
    """Returns 1 where the probe agrees with the label, 0 where not, 1/2 where it cannot tell."""
    return (np.sign(log_odds) + 1) / 2
