"""Seconds as people say them."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """Returns seconds as people say them.

    >>> duration(0.2), duration(4), duration(240), duration(9000)
    ('under 1 s', '4 s', '4.0 min', '2.5 h')
    """
    if seconds < 1:
        return "under 1 s"
    if seconds < 120:
        return f"{seconds:.2g} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
