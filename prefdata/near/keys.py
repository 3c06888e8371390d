"""The keys of documents: what stands for a text where texts are too large to sort or to group."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl

from prefdata.near.shingles import Hashes, Shingles, blocks, shingles

CONTENT = "content"

_SEED = 1
_ODD = np.uint64(0xC2B2AE3D27D4EB4F)


class Bands(NamedTuple):
    """How a MinHash signature is cut: two documents meet if they agree in all rows of a band.

    Two documents of Jaccard similarity s meet with probability 1 - (1 - s^rows)^bands (Leskovec,
    Rajaraman and Ullman, Mining of Massive Datasets, section 3.4.2): at s = 0.8, 0.997 of them do.

    Attributes:
        number: of bands.
        rows: in each; the signature has number x rows values.
    """

    number: int = 15
    rows: int = 5


BANDS = Bands()


def keys(documents: pl.Series, bands: Bands = BANDS) -> pl.DataFrame:
    """Returns one row a document: `content` and `band_0`, `band_1`, ..., all UInt64.

    Documents of the same shingles, as often, have the same content. Rows depend on their document
    alone, so that a set may be taken in parts, but are the same only within one version of polars.

    Args:
        documents: String or List(String).
        bands: how many keys a document gets.
    """
    names = [CONTENT, *band_names(bands)]
    parts = [_keys(shingles(block), bands) for block in blocks(documents)]
    columns = np.concatenate(parts, axis=1) if parts else np.empty((len(names), 0), np.uint64)
    return pl.DataFrame(dict(zip(names, columns, strict=True)))


def band_names(bands: Bands) -> list[str]:
    """Returns the columns of the bands."""
    return [f"band_{number}" for number in range(bands.number)]


def _keys(cut: Shingles, bands: Bands) -> Hashes:
    """Returns (1 + bands, documents): contents, then a row for each band."""
    from rensa import RMinHash

    matrix = RMinHash.digest_matrix_from_flat_token_hashes(
        cut.hashes, cut.offsets.astype(np.uint64), bands.number * bands.rows, _SEED
    )
    signatures = np.array(matrix.to_rows(), np.uint64).reshape(-1, bands.number, bands.rows)
    found = np.zeros((bands.number, len(signatures)), np.uint64)
    for row in range(bands.rows):
        found = (found ^ signatures[:, :, row].T) * _ODD
        found ^= found >> np.uint64(32)
    content = np.add.reduceat(cut.hashes, cut.offsets[:-1])
    return np.vstack([content[np.newaxis], found])
