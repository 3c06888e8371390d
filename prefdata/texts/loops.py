"""Texts that end in a loop: the same words again and again, as a model writes that cannot stop."""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

TAIL = 2_000  # characters at the end of a text that are looked at
_PROBE = 12  # a loop repeats its last characters; counting these is fast


class Loop(NamedTuple):
    """The end of a text: `unit`, written `times` times over, the first time perhaps in part."""

    unit: str
    times: int


def may_loop(text: pl.Expr, times: int) -> pl.Expr:
    """Returns true where the last characters occur `times` times: necessary for a `loop`."""
    tail = text.str.strip_chars_end().str.tail(TAIL)
    probe = tail.str.tail(_PROBE)
    # matches do not overlap, so that a short unit is found once a probe's length
    often = tail.str.count_matches(probe, literal=True) >= times - 1
    return often & (tail.str.len_chars() > _PROBE)


def loop(text: str, times: int, characters: int) -> Loop | None:
    """Returns the loop that a text ends in, None if there is none.

    A unit without a letter or digit is a rule or a frame (`-----`, `| | |`), and no loop.

    Args:
        text: white space at its end does not count.
        times: least number of repetitions.
        characters: least length of all repetitions together.

    >>> loop("I said: no, no, no, no, no, no,", times=4, characters=20)
    Loop(unit=' no,', times=6)
    """
    tail = text.rstrip()[-TAIL:]
    before = tail.rfind(tail[-_PROBE:], 0, len(tail) - 1)
    if before < 0 or len(tail) <= _PROBE:
        return None
    period = len(tail) - _PROBE - before
    unit = tail[-period:]
    length = _periodic(tail, period)
    enough = length >= max(times * period, characters)
    return Loop(unit, length // period) if enough and any(map(str.isalnum, unit)) else None


def _periodic(text: str, period: int) -> int:
    """Returns how many characters at the end of a text repeat those `period` before them."""
    differ = (
        back for back in range(1, len(text) - period + 1) if text[-back] != text[-back - period]
    )
    return next(differ, len(text) - period + 1) - 1 + period
