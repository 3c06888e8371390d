"""What two texts are compared by: the set of hashed shingles of each document.

A document is one text, or a list of texts that no shingle crosses (turns of a conversation). A
shingle is five consecutive words. A word is a run of letters, digits and marks after NFKC and case
folding; in scripts without spaces between words (Chinese, Japanese, Thai, ...) every character is
one. A text of fewer than five words is cut into five consecutive characters instead, punctuation
included: "2+2?" is not "2-2?". A document with no shingle at all has one, that of the empty text.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, TypeAlias, cast
from unicodedata import normalize

import numpy as np
import numpy.typing as npt
import polars as pl

Hashes: TypeAlias = npt.NDArray[np.uint64]
Counts: TypeAlias = npt.NDArray[np.int64]

SIZE = 5  # words, or characters, in a shingle
BLOCK = 1 << 14  # documents cut at once

_SPACELESS = (
    r"([\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}\p{Javanese}])"
)
_FOREIGN_PUNCTUATION = r"[^\p{L}\p{N}\p{M}\x00-\x7F]+"
_SPACE = 0x20
_ODD = np.uint64(0x9E3779B97F4A7C15)
_NOTHING = np.uint64(0x2545F4914F6CDD1D)  # the shingle of a document without any


def _ascii_words() -> bytes:
    """Returns the table that puts ASCII letters into lower case and all but words to spaces."""
    table = bytearray(range(256))
    for code in range(128):
        character = chr(code)
        table[code] = ord(character.lower()) if character.isalnum() else _SPACE
    return bytes(table)


_TABLE = _ascii_words()


class Shingles(NamedTuple):
    """The shingles of documents, one after the other.

    Attributes:
        hashes: (shingles,) 64-bit hashes; one that occurs twice in a document is there twice.
        offsets: (documents + 1,) where each document begins, and where the last ends.
    """

    hashes: Hashes
    offsets: Counts


class Words(NamedTuple):
    """The words of texts, one after the other.

    Attributes:
        hashes: (words,) 64-bit hashes.
        counts: (texts,) how many each text has.
    """

    hashes: Hashes
    counts: Counts


def folded(text: str) -> str:
    """Returns a text after NFKC, case folding and collapsing of white space."""
    if not text.isascii():
        text = normalize("NFKC", text)
    return " ".join(text.casefold().split())


def blocks(documents: pl.Series) -> Iterator[pl.Series]:
    """Yields documents in the pieces that `shingles` takes without using much memory."""
    return (documents.slice(start, BLOCK) for start in range(0, len(documents), BLOCK))


def shingles(documents: pl.Series) -> Shingles:
    """Returns the shingles of documents.

    Args:
        documents: String, or List(String); a null is an empty text.
    """
    texts, per_document = _texts(documents)
    of_texts, per_text = _words(texts)
    short = per_text < SIZE
    long_words = of_texts[np.repeat(~short, per_text)]
    long_hashes, long_counts = windows(long_words, per_text[~short], SIZE)
    units, sizes = _characters(texts.filter(pl.Series(short)))
    short_hashes, short_counts = windows(units, sizes, SIZE)
    counts = np.empty(len(texts), np.int64)
    counts[~short], counts[short] = long_counts, short_counts
    of_short = np.repeat(short, counts)
    hashes = np.empty(len(of_short), np.uint64)
    hashes[~of_short], hashes[of_short] = long_hashes, short_hashes
    return _with_one_at_least(hashes, _sums(counts, per_document))


def words(texts: pl.Series, least: int) -> Words:
    """Returns the words of texts; one of some, but fewer than `least`, is filled up to so many.

    Args:
        texts: String.
        least: words that a text has, unless it has none.
    """
    hashes, counts = _words(texts.fill_null("").rechunk())
    missing = np.where(counts > 0, np.maximum(least - counts, 0), 0)
    filled = np.insert(hashes, np.repeat(np.cumsum(counts), missing), _NOTHING)
    return Words(filled, counts + missing)


def windows(
    units: Hashes, counts: Counts, size: int, gap: int | None = None
) -> tuple[Hashes, Counts]:
    """Returns the hash of every `size` consecutive units of a text, and how many each text has.

    Args:
        units: (units,) hashes of words or characters, text after text.
        counts: (texts,) how many units each text has: none, or at least `size`.
        size: units in a window.
        gap: the place, from 0, of a unit of the window that may be any; outside of it, no unit may.
    """
    within = np.ones(len(units), np.bool_)
    ends = np.cumsum(counts)[counts > 0]
    for step in range(1, size):
        within[ends - step] = False
    hashes = np.zeros(max(len(units) - size + 1, 0), np.uint64)
    for step in range(size):
        hashes *= _ODD
        if step != gap:
            hashes += units[step : step + len(hashes)]
    return _mixed(hashes[within[: len(hashes)]]), np.maximum(counts - size + 1, 0)


def _texts(documents: pl.Series) -> tuple[pl.Series, Counts]:
    """Returns all texts of documents in one chunk without nulls, and how many each has."""
    if documents.dtype == pl.String:
        texts, per_document = documents, np.ones(len(documents), np.int64)
    else:
        per_document = documents.list.len().fill_null(0).to_numpy().astype(np.int64)
        texts = documents.filter(pl.Series(per_document > 0)).explode()
    return texts.cast(pl.String).fill_null("").rechunk(), per_document


def _sums(counts: Counts, groups: Counts) -> Counts:
    """Returns the sum of each of consecutive groups, given by their sizes."""
    totals = np.concatenate([[0], np.cumsum(counts)])
    ends = np.cumsum(groups)
    return cast(Counts, totals[ends] - totals[ends - groups])


def _with_one_at_least(hashes: Hashes, counts: Counts) -> Shingles:
    empty = counts == 0
    starts = np.cumsum(counts) - counts
    hashes = np.insert(hashes, starts[empty], _NOTHING)
    return Shingles(hashes, np.concatenate([[0], np.cumsum(counts + empty)]))


def _words(texts: pl.Series) -> tuple[Hashes, Counts]:
    """Returns the hash of every word, and how many words each text has."""
    data, offsets = _bytes(_spaced(texts))
    letters = data != _SPACE
    starts, ends = letters.copy(), letters.copy()
    starts[1:] &= ~letters[:-1]
    ends[:-1] &= ~letters[1:]
    inner = offsets[(offsets > 0) & (offsets < len(data))]
    starts[inner], ends[inner - 1] = letters[inner], letters[inner - 1]
    begins = np.flatnonzero(starts)
    lengths = np.flatnonzero(ends) + 1 - begins
    return _hashed(data[letters], lengths), np.diff(np.searchsorted(begins, offsets))


def _spaced(texts: pl.Series) -> pl.Series:
    """Normalises texts that are not ASCII, and puts spaces for what ends a word in other scripts."""
    foreign = (texts.str.len_bytes() != texts.str.len_chars()).arg_true()
    if foreign.is_empty():
        return texts
    plain = [normalize("NFKC", text) for text in texts.gather(foreign)]
    spaced = (
        pl.Series(plain, dtype=pl.String)
        .str.to_lowercase()
        .str.replace_all(_FOREIGN_PUNCTUATION, " ")
        .str.replace_all(_SPACELESS, " $1 ")
    )
    return texts.clone().scatter(foreign, spaced)


def _bytes(texts: pl.Series) -> tuple[npt.NDArray[np.uint8], Counts]:
    """Returns the bytes of all texts, ASCII folded, and where each begins and the last ends."""
    sizes = texts.str.len_bytes().to_numpy().astype(np.int64)
    data = "".join(texts.to_list()).encode().translate(_TABLE)
    return np.frombuffer(data, np.uint8), np.concatenate([[0], np.cumsum(sizes)])


def _hashed(data: npt.NDArray[np.uint8], lengths: Counts) -> Hashes:
    """Returns the hash of each of consecutive byte strings."""
    import pyarrow as pa

    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(data))]
    words = pa.Array.from_buffers(pa.large_binary(), len(lengths), buffers)
    return cast(pl.Series, pl.from_arrow(words)).hash().to_numpy()


def _characters(texts: pl.Series) -> tuple[Hashes, Counts]:
    """Returns a number for every character of the folded texts, and how many each text has.

    Texts of fewer than `SIZE` characters, but not empty ones, are filled up with null characters.
    """
    plain = [text and text.ljust(SIZE, "\0") for text in map(folded, texts)]
    sizes = np.fromiter(map(len, plain), np.int64, len(plain))
    codes = np.frombuffer("".join(plain).encode("utf-32-le"), np.uint32)
    return _mixed(codes.astype(np.uint64) + np.uint64(1)), sizes


def _mixed(values: Hashes) -> Hashes:
    """Returns the values with their bits mixed (the finaliser of SplitMix64; Steele et al. 2014)."""
    values = values * _ODD
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
