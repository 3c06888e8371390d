"""A line of numbers drawn with braille dots, for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

_BLANK = 0x2800  # of Unicode's braille patterns; a cell has 2 x 4 dots
_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))  # by column, from the top


def curve(values: Sequence[float], *, width: int = 60, height: int = 8) -> list[str]:
    """Returns a chart of `height` lines, the highest and the lowest value before the first and last.

    More values than dots are averaged; fewer are joined by vertical strokes only, each in a column of
    its own.

    Args:
        values: finite, in order.
        width: characters of the chart.
        height: lines, at least 2.
    """
    if not values:
        return []
    means = _averaged(values, 2 * width)
    low, high = min(means), max(means)
    steps = 4 * height - 1
    rows = [round((high - mean) / ((high - low) or 1) * steps) for mean in means]
    cells = [[_BLANK] * -(-len(rows) // 2) for _ in range(height)]
    for column, (before, row) in enumerate(pairwise([rows[0], *rows])):
        first = row if abs(row - before) <= 1 else before + (1 if row > before else -1)
        for dot in range(min(first, row), max(first, row) + 1):
            cells[dot // 4][column // 2] |= _DOTS[column % 2][dot % 4]
    labels = [f"{high:.4g}", *[""] * (height - 2), f"{low:.4g}"]
    margin = max(map(len, labels))
    return [
        f"{label:>{margin}} {''.join(map(chr, line))}"
        for label, line in zip(labels, cells, strict=True)
    ]


def _averaged(values: Sequence[float], most: int) -> list[float]:
    """Returns at most `most` means of neighbours, as many in each as can be."""
    count = min(len(values), most)
    edges = [index * len(values) // count for index in range(count + 1)]
    return [sum(values[start:end]) / (end - start) for start, end in pairwise(edges)]
