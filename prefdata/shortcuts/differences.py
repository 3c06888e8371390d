"""What the probe looks at: the features of chosen minus those of rejected, pair by pair."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, cast

import numpy as np
import numpy.typing as npt
import polars as pl

from prefdata.expressions import contents
from prefdata.shortcuts.ngrams import BITS, ngrams
from prefdata.shortcuts.surface import names, surface_features

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Floats: TypeAlias = npt.NDArray[np.float64]

BLOCK = 20_000  # pairs whose features are made at once
HEAD = 1_000  # characters of a side whose words are looked at
_SIDES = ("chosen", "rejected")
_SURFACE_WEIGHT = 0.1  # of a scaled surface feature beside a row of n-grams of length 1


class Raw(NamedTuple):
    """Differences as they are counted.

    Attributes:
        surface: (pairs, surface features) f64.
        words: (pairs, n-grams) f32.
        frequency: (n-grams,) sides that an n-gram occurs in.
    """

    surface: Floats
    words: csr_matrix
    frequency: Floats


class Scales(NamedTuple):
    """What differences are multiplied by; depends on neither labels nor order.

    Attributes:
        surface: (surface features,) one over the root of the mean square.
        words: (n-grams,) log of the inverse share of sides that hold it.
    """

    surface: Floats
    words: Floats


def side_texts(pairs: pl.DataFrame) -> pl.DataFrame:
    """Returns `chosen` and `rejected` as one text each, turn after turn, null for none."""
    return pairs.select(
        contents(side).list.join("\n", ignore_nulls=True).fill_null("").alias(side)
        for side in _SIDES
    ).rechunk()


def raw_differences(pairs: pl.DataFrame) -> Raw:
    """Returns the differences of all pairs."""
    from scipy.sparse import vstack

    starts = range(0, max(pairs.height, 1), BLOCK)
    parts = [_raw(side_texts(pairs.slice(start, BLOCK))) for start in starts]
    return Raw(
        np.concatenate([part.surface for part in parts]),
        vstack([part.words for part in parts], format="csr"),
        np.sum([part.frequency for part in parts], axis=0),
    )


def scaled_blocks(pairs: pl.DataFrame, rows: pl.Series, scales: Scales) -> Iterator[csr_matrix]:
    """Yields the scaled differences of some rows, `BLOCK` pairs at a time."""
    for start in range(0, len(rows), BLOCK):
        block = pairs.select(_SIDES)[rows.slice(start, BLOCK)]
        yield joint(_raw(side_texts(block)), scales)


def _raw(texts: pl.DataFrame) -> Raw:
    surfaces = [texts.select(surface_features(side)).to_numpy() for side in _SIDES]
    chosen, rejected = (ngrams(texts[side].str.head(HEAD)) for side in _SIDES)
    held = np.concatenate([chosen.indices, rejected.indices])
    frequency = np.bincount(held, minlength=1 << BITS).astype(np.float64)
    words: Any = chosen - rejected
    words.eliminate_zeros()
    return Raw(surfaces[0] - surfaces[1], words, frequency)


def scales_of(raw: Raw) -> Scales:
    """Returns the scales that a set of pairs asks for."""
    root = np.sqrt((raw.surface**2).mean(axis=0)) if len(raw.surface) else np.ones(len(names()))
    sides = 2 * len(raw.surface)
    rarity = np.log((1 + sides) / (1 + raw.frequency)) + 1
    return Scales(1 / np.where(root > 0, root, 1), rarity)


def surface(raw: Raw, scales: Scales) -> Floats:
    """Returns the scaled surface features; (pairs, surface features)."""
    return raw.surface * scales.surface


def words(raw: Raw, scales: Scales) -> csr_matrix:
    """Returns the n-grams by tf-idf, the difference of each pair of length 1; (pairs, n-grams)."""
    from scipy.sparse import diags
    from sklearn.preprocessing import normalize

    return cast("csr_matrix", normalize(raw.words @ diags(scales.words)))


def joint(raw: Raw, scales: Scales) -> csr_matrix:
    """Returns all features side by side; (pairs, n-grams and surface features)."""
    from scipy.sparse import csr_matrix, hstack

    beside = csr_matrix(surface(raw, scales) * _SURFACE_WEIGHT)
    return cast("csr_matrix", hstack([words(raw, scales), beside], format="csr"))


def columns_of(family: str) -> npt.NDArray[np.int64]:
    """Returns the columns of `surface` that belong to a family."""
    return np.flatnonzero([of == family for of, _ in names()])
