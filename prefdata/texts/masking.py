"""Secrets as a report may show them."""

from __future__ import annotations

_SHOWN = 4


def masked(secret: str) -> str:
    """Returns the beginning of a secret, at most a quarter of it, and its length.

    >>> masked("ghp_abcdefghijklmnop")
    'ghp_… (20 characters)'
    """
    return f"{secret[: min(_SHOWN, len(secret) // 4)]}… ({len(secret)} characters)"
