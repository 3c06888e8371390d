"""How to speak of characters that cannot be shown."""

from __future__ import annotations

import polars as pl

from prefdata.expressions import contents


def code_points(side: str, pattern: str, groups: int = 1) -> pl.Expr:
    """Returns a sentence about the characters a pattern finds in `side`, null where it finds none.

    Args:
        side: a messages column.
        pattern: its groups capture one character each.
        groups: how many it has.
    """
    text = pl.element().str
    first = pl.coalesce(text.extract(pattern, group + 1) for group in range(groups))
    found = contents(side).list.eval(first).list.drop_nulls().list.first()
    number = contents(side).list.eval(text.count_matches(pattern)).list.sum()
    return pl.format(
        f"{side} holds {{}}, {{}} in all", found.map_elements(_name, pl.String), number
    )


def _name(character: str) -> str:
    return f"U+{ord(character):04X}"
