"""Amounts as people say them: seconds and bytes."""

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


def bytes_text(number: int) -> str:
    """Returns an amount of memory as people say it.

    >>> bytes_text(1_500_000), bytes_text(80_000_000_000)
    ('1.5 MB', '80.00 GB')
    """
    if number == 0:
        return "none"
    return f"{number / 1e9:.2f} GB" if number >= 1e8 else f"{number / 1e6:.1f} MB"
