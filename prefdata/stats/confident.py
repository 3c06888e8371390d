"""Labels that a model doubts, by confident learning (Northcutt et al. 2021), for pairs."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]


def doubted(probabilities: Floats) -> npt.NDArray[np.bool_]:
    """Returns true where the other label is as probable as given labels are on average.

    The threshold of a class is the mean probability of its label where it is given (eq. 2). A pair
    and its mirror image are two classes with one threshold, as the probe is antisymmetric.

    Args:
        probabilities: (pairs,) out-of-fold probability of each given label.
    """
    if not len(probabilities):
        return np.zeros(0, np.bool_)
    return 1 - probabilities >= max(float(probabilities.mean()), 0.5)
