"""Confidence intervals of shares."""

from __future__ import annotations

import math

Z95 = 1.959963984540054


def wilson(hits: float, total: float, z: float = Z95) -> tuple[float, float]:
    """Returns the Wilson score interval of a share (Wilson 1927, eq. 12), of 95 % by default.

    Args:
        hits: 0 to `total`; a fraction where hits are weighted.
        total: > 0, likewise.
        z: quantile of the normal distribution; see `simultaneous_z`.
    """
    share, z2 = hits / total, z**2
    centre = (share + z2 / (2 * total)) / (1 + z2 / total)
    spread = math.sqrt(share * (1 - share) / total + z2 / (4 * total**2)) * z / (1 + z2 / total)
    return max(0.0, centre - spread), min(1.0, centre + spread)


def paired_difference(
    only_first: float, only_second: float, total: float, z: float = Z95
) -> tuple[float, float]:
    """Returns the interval of the difference of two shares of the same rows, of 95 % by default.

    That of Wald with half a row added to each of the four cells (Agresti and Min 2005, section 3),
    which keeps its level where rows are few.

    Args:
        only_first: rows that count for the first share only.
        only_second: rows that count for the second only.
        total: all rows.
        z: quantile of the normal distribution; see `simultaneous_z`.
    """
    rows = total + 2
    difference = (only_first - only_second) / rows
    spread = math.sqrt((only_first + only_second + 1) / rows - difference**2) / math.sqrt(rows)
    return max(-1.0, difference - z * spread), min(1.0, difference + z * spread)


def simultaneous_z(intervals: int) -> float:
    """Returns the quantile with which so many 95 % intervals hold at once (Bonferroni)."""
    from scipy.special import ndtri

    return float(ndtri(1 - 0.025 / intervals))
