"""How far recipes agree, as lines of text: one row and one column a recipe."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from prefdata.curate.overlap import Overlap

_WIDTH = 100


def overlap_lines(found: Overlap) -> Iterator[str]:
    """Yields a table of what is kept by one recipe, and by two of those that either keeps."""
    yield f"{found.pairs:,} pairs"
    names = [recipe.name for recipe in found.recipes]
    cells = {(a.one, a.other): _cell(a.jaccard, a.by_chance) for a in found.agreements}
    head = ["", "keeps", *names[1:]]
    rows = [
        [
            recipe.name,
            f"{recipe.pairs:,} ({recipe.share:.0%})",
            *(cells.get((recipe.name, other), "") for other in names[1:]),
        ]
        for recipe in found.recipes
    ]
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in (head, *rows) if rows else ():
        first, *rest = [
            cell.rjust(width) if at else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join([first, *rest]).rstrip()
    if found.agreements:
        yield "pairs that both keep, of those that either keeps (of two draws of these sizes)"
    for recipe in found.skipped:
        yield from textwrap.wrap(
            f"left out {recipe.name}: {recipe.reason}", _WIDTH, subsequent_indent="  "
        )


def _cell(jaccard: float | None, by_chance: float | None) -> str:
    return "" if jaccard is None or by_chance is None else f"{jaccard:.0%} ({by_chance:.0%})"
