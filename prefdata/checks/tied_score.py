"""Chosen and rejected have the same score.

## What it does
Finds pairs with two equal scores, or with a margin of 0, that are nevertheless ordered.

## Why is this bad?
The source saw no difference, so the order is an accident: `max` and `min` over equal ratings, or
the order of the columns. Half of such pairs point the wrong way.

## Example
```jsonl
{"prompt": "Name a colour.", "chosen": "Blue.", "rejected": "Seven.", "chosen_score": 5, "rejected_score": 5}
```

## Fix
`drop` (unsafe): the order may rest on something that the scores do not show.
`prefdata curate --select tied-score` does it.
"""

from __future__ import annotations

import polars as pl

from prefdata.checks import UNSAFE_DROP, row_rule


@row_rule(
    "PD303",
    "tied-score",
    level="warning",
    fix=UNSAFE_DROP,
    message=pl.coalesce(
        pl.format("both sides score {}", "chosen_score"), pl.lit("the margin is 0")
    ),
)
def tied_score() -> pl.Expr:
    """Returns true where the numbers prefer neither side; NaN is no number."""
    chosen, rejected, margin = (
        pl.col(name).fill_nan(None) for name in ("chosen_score", "rejected_score", "margin")
    )
    return (chosen == rejected).fill_null(value=False) | (margin == 0).fill_null(value=False)
