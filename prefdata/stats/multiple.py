"""Many paired comparisons at once: McNemar's z, and what is left after Benjamini-Hochberg."""

from __future__ import annotations

from typing import TypeAlias, cast

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]


def mcnemar_z(one: npt.ArrayLike, other: npt.ArrayLike) -> Floats:
    """Returns z = (one - other) / sqrt(one + other), 0 where both are 0 (McNemar 1947).

    Args:
        one: (tests,) rows in which only the first condition holds.
        other: (tests,) rows in which only the second does.
    """
    first, second = np.asarray(one, np.float64), np.asarray(other, np.float64)
    return (first - second) / np.sqrt(np.maximum(first + second, 1))


def benjamini_hochberg(p_values: npt.ArrayLike) -> Floats:
    """Returns the adjusted p-values, at most 1 (Benjamini & Hochberg 1995); (tests,)."""
    from scipy.stats import false_discovery_control

    p = np.asarray(p_values, np.float64)
    return cast(Floats, false_discovery_control(p)) if p.size else p


def two_sided(z: npt.ArrayLike) -> Floats:
    """Returns the two-sided p-value of standard normal z; (tests,)."""
    from scipy.special import ndtr

    return cast(Floats, 2 * ndtr(-np.abs(np.asarray(z, np.float64))))
