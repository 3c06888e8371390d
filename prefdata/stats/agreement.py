"""Agreement between annotators: Krippendorff's alpha and its interval.

Everything starts from counts: (I, C), how many annotators gave each of C values to each of I items.
Alpha is a function of sums over items, so the interval comes from resampled sums, not from items.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
Counts: TypeAlias = npt.NDArray[np.integer]
Scale: TypeAlias = Literal["nominal", "ordinal", "interval"]

RESAMPLES = 1000


def krippendorff_alpha(
    counts: Counts, scale: Scale, values: Floats | None = None, *, exchangeable: bool = False
) -> float:
    """Returns alpha = 1 - observed / expected disagreement (Krippendorff 2011, "Computing alpha").

    NaN where nothing is to be compared, or only one value occurs.

    Args:
        counts: (I, C) of each item and value; items with less than two values do not count.
        scale: how far two values are apart.
        values: (C,) the values in ascending order; 0, 1, 2, ... if None. Only for `interval`.
        exchangeable: the values speak of two sides whose order means nothing, such as -1, 0, 1 for
            first, tie and second: each item counts in both orders, and alpha is the same however
            its sides are named.
    """
    patterns, occurrences = _patterns(counts)
    observed = np.tensordot(occurrences.astype(float), _coincidences(patterns), axes=1)
    return float(_alpha(_oriented(observed, exchangeable=exchangeable), scale, values))


def alpha_interval(
    counts: Counts,
    scale: Scale,
    values: Floats | None = None,
    *,
    exchangeable: bool = False,
    seed: int = 0,
) -> tuple[float, float]:
    """Returns the 95 % bootstrap interval of alpha, items resampled (percentiles).

    The arguments are those of `krippendorff_alpha`. The order of the items does not matter.
    """
    patterns, occurrences = _patterns(counts)
    items = int(occurrences.sum())
    if not items:
        return float("nan"), float("nan")
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(items, occurrences / items, size=RESAMPLES).astype(float)
    observed = np.tensordot(drawn, _coincidences(patterns), axes=1)
    alphas = _alpha(_oriented(observed, exchangeable=exchangeable), scale, values)
    low, high = np.nanpercentile(alphas, [2.5, 97.5])
    return float(low), float(high)


def _patterns(counts: Counts) -> tuple[Counts, Counts]:
    """Returns the different rows of the items with two values or more, and how often each occurs."""
    pairable = counts[counts.sum(axis=1) >= 2]
    return np.unique(pairable, axis=0, return_counts=True)


def _coincidences(patterns: Counts) -> Floats:
    """Returns (P, C, C) the pairs of values within an item of each pattern, each value weighing 1."""
    pairs = patterns[:, :, None] * patterns[:, None, :]
    same = patterns[:, :, None] * np.eye(patterns.shape[1], dtype=np.int64)
    others = patterns.sum(axis=1) - 1
    return np.asarray((pairs - same) / others[:, None, None], np.float64)


def _oriented(observed: Floats, *, exchangeable: bool) -> Floats:
    return observed + observed[..., ::-1, ::-1] if exchangeable else observed


def _alpha(observed: Floats, scale: Scale, values: Floats | None) -> Floats:
    """Returns alpha of coincidence matrices (..., C, C)."""
    marginals = observed.sum(axis=-1)
    total = marginals.sum(axis=-1)
    expected = marginals[..., :, None] * marginals[..., None, :]
    distance = _squared_distances(marginals, scale, values)
    with np.errstate(divide="ignore", invalid="ignore"):
        disagreement = (observed * distance).sum(axis=(-2, -1))
        by_chance = (expected * distance).sum(axis=(-2, -1)) / (total - 1)
        return np.asarray(1 - disagreement / by_chance, np.float64)


def _squared_distances(marginals: Floats, scale: Scale, values: Floats | None) -> Floats:
    """Returns (..., C, C) the squared difference of two values; the diagonal is 0."""
    size = marginals.shape[-1]
    if scale == "nominal":
        return 1 - np.eye(size)
    if scale == "interval":
        places = np.arange(size, dtype=np.float64) if values is None else values
    else:  # half the marginals on either side of a value are its mid-rank
        places = np.cumsum(marginals, axis=-1) - marginals / 2
    return np.asarray((places[..., :, None] - places[..., None, :]) ** 2, np.float64)
