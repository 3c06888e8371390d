"""Shares of what was counted."""

from __future__ import annotations

from prefdata.report.model import Share
from prefdata.stats.intervals import wilson


def share(hits: int, of: int) -> Share:
    """Returns a share with its Wilson interval. `of` is above 0."""
    low, high = wilson(hits, of)
    return Share(value=hits / of, low=low, high=high, of=of)
