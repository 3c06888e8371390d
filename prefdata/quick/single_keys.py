"""Which of many JSON texts are proven to give no key twice, all looked at together.

The proof is that of `prefdata.io.json_text`: what was decoded has, written again, as many quotes as
the text, unless a key was dropped with its own. No text can have fewer, so equal sums prove them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import msgspec
import numpy as np
import pyarrow as pa

from prefdata.quick import Integers, Mask, standing

_QUOTE, _BACKSLASH = b'"\\'
_ENCODED_QUOTE = b"\\u0022"  # a quote that is one only when decoded


def proven_single(lines: Sequence[bytes], values: Sequence[object], quotes: int) -> Mask:
    """Returns which lines are proven to give no key twice.

    Args:
        lines: JSON texts; together below 2 GiB.
        values: what each decodes to, as types that msgspec encodes with the keys that were given.
        quotes: how many quotes all values have when they are written as JSON.
    """
    codes = np.frombuffer(b"\n".join(lines), np.uint8)
    encoded = standing(codes, np.flatnonzero(codes == _BACKSLASH), _ENCODED_QUOTE)
    if not len(encoded) and np.count_nonzero(codes == _QUOTE) == quotes:
        return np.ones(len(lines), bool)
    ends = np.cumsum([len(line) + 1 for line in lines])
    written = [msgspec.json.encode(value).count(b'"') for value in values]
    found = _in_each(np.flatnonzero(codes == _QUOTE), ends) == written
    return cast(Mask, found & (_in_each(encoded, ends) == 0))


def quotes_in(texts: pa.StringArray) -> int:
    """Returns how many quotes stand in a column that was made at once and not sliced."""
    data = texts.buffers()[2]
    return 0 if data is None else int(np.count_nonzero(np.frombuffer(data, np.uint8) == _QUOTE))


def _in_each(places: Integers, ends: Integers) -> Integers:
    """Returns how many places lie before each end and not before the one before it."""
    return np.bincount(np.searchsorted(ends, places, side="right"), minlength=len(ends))
