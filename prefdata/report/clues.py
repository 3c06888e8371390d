"""What gives a label away: families of surface features, and single words."""

from __future__ import annotations

import polars as pl

from prefdata.checks import Evidence
from prefdata.report.model import Family, Share, Word
from prefdata.shortcuts.probe import SAMPLE, shortcut_accuracies
from prefdata.shortcuts.telling import telling_words

_WORDS = 14
_SIGNIFICANT = 0.05


def families(data: Evidence) -> list[Family]:
    """Returns how well each family of surface features tells the label, best first."""
    sample = min(data.pairs.height, SAMPLE)
    return [
        Family(name=name, accuracy=Share(value=value, low=low, high=high, of=sample))
        for name, value, low, high in data.once(shortcut_accuracies).rows()
    ]


def words(data: Evidence) -> list[Word]:
    """Returns the most telling words that are no accident."""
    found = telling_words(data).filter(pl.col("adjusted_p") < _SIGNIFICANT).head(_WORDS)
    columns = found.select("word", "chosen", "rejected", "adjusted_p")
    return [Word(**row) for row in columns.iter_rows(named=True)]
