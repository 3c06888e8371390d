"""Texts that were decoded as another encoding than they were written in."""

from __future__ import annotations

import re
from typing import NamedTuple

_SEGMENT = re.compile(r"\S*[^\x00-\x7f]\S*(?: \S*[^\x00-\x7f]\S*)*")
_SHOWN = 30


class Repair(NamedTuple):
    """A piece of a text as it stands, and as it was written."""

    broken: str
    right: str


def mended(text: str) -> Repair | None:
    """Returns the first piece of a text that is mojibake, None if there is none.

    ftfy judges each run of words that are not ASCII by itself, so that a sound word elsewhere in
    the text does not hide a broken one.

    >>> mended("größer, das ist schÃ¶n, 5 €.")
    Repair(broken='schÃ¶n,', right='schön,')
    """
    from ftfy import fix_encoding
    from ftfy.badness import is_bad

    for match in _SEGMENT.finditer(text):
        piece = match[0]
        if is_bad(piece) and (right := fix_encoding(piece)) != piece:
            return Repair(piece[:_SHOWN], right[:_SHOWN])
    return None
