"""Words and pairs of neighbouring words as a sparse matrix, by hashing (Weinberger et al. 2009).

A token is a run of letters and digits, a punctuation mark, or one character of a script without
spaces; upper and lower case are one. Hashes hold for one run only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt
import polars as pl

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Hashes: TypeAlias = npt.NDArray[np.uint64]
Counts: TypeAlias = npt.NDArray[np.int64]

BITS = 18
_SPACE, _WORD, _MARK = 0, 1, 2
_SPACELESS = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"
_ALONE = rf"({_SPACELESS}|[[^\x00-\x7F]&&[^\p{{L}}\p{{N}}\p{{M}}]])"
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2**64 over the golden ratio (Knuth, 6.4)

_KINDS = np.full(256, _MARK, np.uint8)
_KINDS[[ord(c) for c in " \t\n\r\v\f\0"]] = _SPACE
_KINDS[[code for code in range(256) if chr(code).isalnum() or code > 0x7F]] = _WORD


def ngrams(texts: pl.Series) -> csr_matrix:
    """Returns how often each 1-gram and 2-gram occurs, as 1 + log(count).

    Args:
        texts: strings without nulls.

    Returns:
        (texts, 2**BITS) matrix, f32.
    """
    from scipy.sparse import csr_matrix

    hashes, counts = _tokens(texts)
    columns, sizes = _with_bigrams(hashes, counts)
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    ones = np.ones(len(columns), np.float32)
    matrix: Any = csr_matrix((ones, columns, offsets), shape=(len(texts), 1 << BITS))
    matrix.sum_duplicates()
    matrix.data = 1 + np.log(matrix.data)
    return matrix


def _tokens(texts: pl.Series) -> tuple[Hashes, Counts]:
    """Returns the hash of every token, and how many each text has."""
    lower = _spaced(texts.str.to_lowercase())
    ends = np.cumsum(lower.str.len_bytes().to_numpy(), dtype=np.int64)
    data = np.frombuffer("".join(lower.to_list()).encode(), np.uint8)
    kinds = _KINDS[data]
    starts = kinds == _MARK
    words = kinds == _WORD
    starts[:1] |= words[:1]
    starts[1:] |= words[1:] & ~words[:-1]
    first = ends[:-1][ends[:-1] < len(data)]
    starts[first] |= words[first]
    kept = kinds != _SPACE
    begins = np.flatnonzero(starts)
    per_text = np.diff(np.searchsorted(begins, np.concatenate([[0], ends])))
    return _hashed(data[kept], np.flatnonzero(starts[kept])), per_text


def _spaced(texts: pl.Series) -> pl.Series:
    """Puts spaces around what is a token by itself, in the texts that are not ASCII."""
    foreign = (texts.str.len_bytes() != texts.str.len_chars()).arg_true()
    if foreign.is_empty():
        return texts
    spaced = texts.gather(foreign).str.replace_all(_ALONE, " $1 ")
    return texts.clone().scatter(foreign, spaced)


def _hashed(data: npt.NDArray[np.uint8], begins: Counts) -> Hashes:
    import pyarrow as pa

    offsets = np.append(begins, len(data)).astype(np.int64)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(data))]
    tokens = pa.Array.from_buffers(pa.large_binary(), len(begins), buffers)
    return cast(pl.Series, pl.from_arrow(tokens)).hash().to_numpy()


def _with_bigrams(hashes: Hashes, counts: Counts) -> tuple[npt.NDArray[np.int32], Counts]:
    """Returns the columns of a text's tokens and of its neighbouring tokens, text after text."""
    same_text = np.ones(len(hashes), np.bool_)
    same_text[np.cumsum(counts)[counts > 0] - 1] = False  # a text's last token has no neighbour
    pairs = hashes.copy()
    pairs[:-1] = hashes[:-1] * np.uint64(3) + hashes[1:]
    both = np.empty(2 * len(hashes), np.uint64)
    both[0::2], both[1::2] = hashes, pairs
    kept = np.ones(len(both), np.bool_)
    kept[1::2] = same_text
    columns = (both[kept] * _MULTIPLIER) >> np.uint64(64 - BITS)
    return columns.astype(np.int32), np.maximum(2 * counts - 1, 0)
