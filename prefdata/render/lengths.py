"""A table of `prefdata.tokens.lengths` as lines for people, and its distribution as one line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

_BARS = " ▁▂▃▄▅▆▇█"
_BINS = 40
_HEADS = {
    "max_length": "max_length",
    "too_long": "too long",
    "chosen_cut": "chosen cut",
    "rejected_cut": "rejected cut",
    "emptied": "emptied",
    "identical": "identical",
    "tokens": "tokens",
}


def length_lines(table: pl.DataFrame, by: str | None = None) -> Iterator[str]:
    """Yields a table from `length_table`, aligned; rows of one value of `by` are indented."""
    heads = [*_HEADS.values(), *([by] if by else [])]
    rows = [[_cell(row, name, by) for name in _HEADS] + _group(row, by) for row in table.to_dicts()]
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    for cells in (heads, *rows):
        numbers = zip(cells[: len(_HEADS)], widths, strict=False)
        line = "  ".join(f"{cell:>{width}}" for cell, width in numbers)
        yield "  ".join([line, *cells[len(_HEADS) :]]).rstrip()


def _cell(row: dict[str, int | str | None], name: str, by: str | None) -> str:
    if name == "max_length" and by and row[by] is not None:
        return ""
    return f"{row[name]:,}"


def _group(row: dict[str, int | str | None], by: str | None) -> list[str]:
    if by is None:
        return []
    return ["all" if row[by] is None else f"{row[by]} ({row['pairs']:,} pairs)"]


def quantile_line(longest: pl.Series) -> str:
    """Returns the distribution of tokens of prompt + the longer completion, in five numbers."""
    shares = {"least": 0.0, "median": 0.5, "95 %": 0.95, "99 %": 0.99, "most": 1.0}
    numbers = (
        f"{name} {longest.quantile(share, interpolation='higher'):,.0f}"
        for name, share in shares.items()
    )
    return f"tokens of prompt + the longer completion: {', '.join(numbers)}"


def sparkline(longest: pl.Series) -> str:
    """Returns a histogram of lengths, 0 to the greatest, with its end written after it."""
    import numpy as np

    most = max(int(longest.max() or 0), 1)  # type: ignore[arg-type]
    counts, _ = np.histogram(longest.to_numpy(), bins=_BINS, range=(0, most))
    top = len(_BARS) - 1
    heights = np.ceil(counts / max(counts.max(), 1) * top).astype(int)
    return f"0 {''.join(_BARS[height] for height in heights)} {most:,}"
