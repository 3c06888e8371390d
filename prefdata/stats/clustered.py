"""Shares of rows that come in clusters, such as the pairs of one prompt."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from prefdata.stats.intervals import wilson

Floats: TypeAlias = npt.NDArray[np.float64]


class Share(NamedTuple):
    """A share with its 95 % interval."""

    value: float
    low: float
    high: float


def clustered_share(hits: Floats, clusters: npt.NDArray[np.int64]) -> Share:
    """Returns the mean of `hits` with the Wilson interval of the effective number of rows.

    The variance is that of a ratio of cluster totals; the effective number of rows is the one whose
    binomial variance equals it, corrected for the few clusters (Korn & Graubard 1998, eq. 3), and
    never more than the rows. Where all rows agree, clusters count once each, by Kish's formula.

    Args:
        hits: (rows,) each in [0, 1]; at least one.
        clusters: (rows,) number of each row's cluster, from 0.
    """
    share, effective = float(np.mean(hits)), _effective_rows(hits, clusters)
    return Share(share, *wilson(share * effective, effective))


def _effective_rows(hits: Floats, clusters: npt.NDArray[np.int64]) -> float:
    from scipy.stats import t

    rows, share = len(hits), hits.mean()
    sizes = np.bincount(clusters)
    sizes = sizes[sizes > 0]
    if len(sizes) == rows:
        return float(rows)
    kish = float(rows**2 / (sizes**2).sum())
    residuals = np.bincount(clusters, hits - share)
    spread = float((residuals**2).sum())
    if spread == 0 or len(sizes) < 2:
        return kish
    count = len(sizes)
    variance = count / (count - 1) * spread / rows**2
    few = (t.ppf(0.975, rows - 1) / t.ppf(0.975, count - 1)) ** 2
    return float(min(rows, share * (1 - share) / variance * few))
