"""JSON Lines whose rows are objects of texts, read all at once and without an object a row.

Such a row is `{"chosen": "...", "rejected": "..."}`: known keys in one order, each with a text. A few
passes over the bytes prove all that JSON asks of it: where quotes stand that no backslash escapes, what
stands between them, that each escape is one of JSON's, and that no control character and no broken
UTF-8 is among them. A row that fails any of this is not taken.

Source: RFC 8259, sections 4 (objects) and 7 (strings).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from typing import NamedTuple, TypeAlias, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from prefdata.quick import Integers, Mask

Codes: TypeAlias = npt.NDArray[np.uint8]

_QUOTE, _BACKSLASH, _FEED, _RETURN, _SPACE, _OPEN, _CLOSE, _COLON, _COMMA, _U = b'"\\\n\r {}:,u'
_PRINTABLE = 0x20
_NO_DIGIT = 16


def _table(entries: dict[int, int], other: int) -> Codes:
    table = np.full(256, other, np.uint8)
    table[list(entries)] = list(entries.values())
    return table


_MEANS = _table(dict(zip(b'"\\/bfnrt', b'"\\/\b\f\n\r\t', strict=True)), 0)
_DIGITS = _table({ord(digit): int(digit, 16) for digit in "0123456789abcdefABCDEF"}, _NO_DIGIT)


class FlatTexts(NamedTuple):
    """The texts of the rows that were taken.

    Attributes:
        lines: how many there are, taken or not.
        taken: int64 (rows,), which lines were taken, ascending.
        codes: uint8, all texts in UTF-8, without escapes, and what stood between them.
        starts: int64 (rows, keys), where each text starts in `codes`.
        ends: int64 (rows, keys), where it ends.
    """

    lines: int
    taken: Integers
    codes: Codes
    starts: Integers
    ends: Integers


class _Lines(NamedTuple):
    """Where lines start and end, and which of them may be plain."""

    starts: Integers
    ends: Integers
    plain: Mask

    def refuse(self, places: Integers) -> None:
        """Marks the lines in which any of `places` lies."""
        self.plain[np.searchsorted(self.ends, places)] = False


def flat_texts(data: bytes, keys: Sequence[bytes]) -> FlatTexts:
    """Returns the texts of the lines that are objects of these keys.

    Args:
        data: whole lines; below 2 GiB.
        keys: in the order of the result; the lines may have them in another, all in the same.
    """
    codes = np.frombuffer(data, np.uint8)
    lines = _lines(data, codes)
    escapes = _escapes(codes)
    quotes = _unescaped(codes, np.flatnonzero(codes == _QUOTE), escapes)
    texts, dropped = _without_escapes(codes, escapes, lines)
    firsts = np.searchsorted(quotes, lines.starts)
    counts = np.diff(np.append(firsts, len(quotes)))
    rows = np.flatnonzero(lines.plain & (counts == 4 * len(keys)))
    places = quotes[firsts[rows, None] + np.arange(4 * len(keys))]
    for order in permutations(range(len(keys))):
        good = _are_objects(codes, lines, rows, places, [keys[index] for index in order])
        if good.any():
            break
    found = places[good].reshape(-1, len(keys), 4)[:, np.argsort(order)]
    bounds = found[:, :, 2] + 1, found[:, :, 3]
    starts, ends = (bound - np.searchsorted(dropped, bound) for bound in bounds)
    return FlatTexts(len(lines.starts), rows[good], texts, starts, ends)


def _lines(data: bytes, codes: Codes) -> _Lines:
    low = np.flatnonzero(codes < _PRINTABLE)
    feeds = low[codes[low] == _FEED]
    ends = feeds if data.endswith(b"\n") else np.append(feeds, len(codes))
    starts = np.append(0, ends[:-1] + 1)
    lines = _Lines(starts, ends, np.ones(len(starts), bool))
    control = low[codes[low] != _FEED]
    at_end = np.isin(control, ends - 1) & (codes[control] == _RETURN)
    lines.refuse(control[~at_end])
    if not _is_utf8(codes):
        lines.plain[[not _is_utf8(codes[a:b]) for a, b in zip(starts, ends, strict=True)]] = False
    return lines


def _is_utf8(codes: Codes) -> bool:
    offsets = pa.py_buffer(np.array([0, len(codes)], np.int32))
    text = pa.Array.from_buffers(pa.binary(), 1, [None, offsets, pa.py_buffer(codes)])
    try:
        text.cast(pa.string())
    except pa.ArrowInvalid:
        return False
    return True


def _escapes(codes: Codes) -> Integers:
    """Returns the backslashes that escape: in a run of them, every other one."""
    found = np.flatnonzero(codes == _BACKSLASH)
    number = np.arange(len(found))
    begins = np.diff(found, prepend=-2) != 1
    of_run = number - np.maximum.accumulate(np.where(begins, number, 0))
    return cast(Integers, found[of_run % 2 == 0])


def _unescaped(codes: Codes, quotes: Integers, escapes: Integers) -> Integers:
    behind = np.flatnonzero(codes[quotes - 1] == _BACKSLASH)
    return np.delete(quotes, behind[np.isin(quotes[behind] - 1, escapes, assume_unique=True)])


def _without_escapes(codes: Codes, escapes: Integers, lines: _Lines) -> tuple[Codes, Integers]:
    """Returns the bytes with all escapes replaced by what they mean, and which bytes went."""
    if not len(escapes):
        return codes, escapes
    follow = codes[np.minimum(escapes + 1, len(codes) - 1)]
    numbered, simple = follow == _U, _MEANS[follow] > 0
    lines.refuse(escapes[~simple & ~numbered])
    texts = codes.copy()
    texts[escapes[simple] + 1] = _MEANS[follow[simple]]
    dropped = np.concatenate([escapes[simple], _put_numbered(texts, escapes[numbered], lines)])
    dropped.sort(kind="stable")  # both parts are in order
    return np.delete(texts, dropped), dropped


def _put_numbered(texts: Codes, places: Integers, lines: _Lines) -> Integers:
    r"""Writes the UTF-8 of each \uXXXX over its beginning; returns the bytes of it that are left."""
    digits = _DIGITS[texts[np.minimum(places[:, None] + np.arange(2, 6), len(texts) - 1)]]
    number = digits.astype(np.int64) @ (1 << np.arange(12, -1, -4))
    # half of a pair needs the other one, which is the reader's to find
    refused = (digits == _NO_DIGIT).any(axis=1) | ((number >= 0xD800) & (number < 0xE000))
    lines.refuse(places[refused])
    places, number = places[~refused], number[~refused]
    size = 1 + (number >= 0x80) + (number >= 0x800)
    two, three = size == 2, size == 3
    last = number & 0x3F | 0x80
    texts[places] = np.select([two, three], [number >> 6 | 0xC0, number >> 12 | 0xE0], number)
    texts[places[two] + 1] = last[two]
    texts[places[three] + 1] = number[three] >> 6 & 0x3F | 0x80
    texts[places[three] + 2] = last[three]
    within = np.arange(6)
    return cast(Integers, (places[:, None] + within)[within >= size[:, None]])


def _are_objects(
    codes: Codes, lines: _Lines, rows: Integers, quotes: Integers, keys: Sequence[bytes]
) -> Mask:
    """Returns which rows are an object of these keys in this order.

    Args:
        codes: all bytes.
        lines: of which `rows` are looked at.
        rows: int64 (rows,).
        quotes: int64 (rows, 4 * keys), where their quotes stand.
        keys: that the object must have.
    """
    starts, ends = lines.starts[rows], lines.ends[rows]
    ends = ends - (codes[ends - 1] == _RETURN)
    good = (codes[starts] == _OPEN) & (quotes[:, 0] == starts + 1)
    good &= (codes[ends - 1] == _CLOSE) & (quotes[:, -1] == ends - 2)
    for number, key in enumerate(keys):
        opens, closes, text, after = quotes[:, 4 * number : 4 * number + 4].T
        good &= _reads(codes, opens, closes, key) & _apart(codes, closes, text, _COLON)
        if number < len(keys) - 1:
            good &= _apart(codes, after, quotes[:, 4 * number + 4], _COMMA)
    return cast(Mask, good)


def _reads(codes: Codes, opens: Integers, closes: Integers, key: bytes) -> Mask:
    good = closes - opens == len(key) + 1
    for at, code in enumerate(key, 1):
        good &= codes[np.minimum(opens + at, closes)] == code
    return cast(Mask, good)


def _apart(codes: Codes, one: Integers, other: Integers, mark: int) -> Mask:
    """Returns where nothing but `mark`, and perhaps a space, stands between two quotes."""
    gap = other - one
    spaced = (gap == 3) & (codes[one + 2] == _SPACE)
    return cast(Mask, (codes[one + 1] == mark) & ((gap == 2) | spaced))
