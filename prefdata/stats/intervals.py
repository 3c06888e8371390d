"""Confidence intervals of shares."""

from __future__ import annotations

import math

Z95 = 1.959963984540054


def wilson(hits: int, total: int) -> tuple[float, float]:
    """Returns the 95 % Wilson score interval of a share (Wilson 1927, eq. 12); `total` > 0."""
    share, z2 = hits / total, Z95**2
    centre = (share + z2 / (2 * total)) / (1 + z2 / total)
    spread = math.sqrt(share * (1 - share) / total + z2 / (4 * total**2)) * Z95 / (1 + z2 / total)
    return max(0.0, centre - spread), min(1.0, centre + spread)
