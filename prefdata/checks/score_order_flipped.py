"""Chosen has the lower score.

## What it does
Finds pairs whose scores or margin say that rejected is the better answer.

## Why is this bad?
The columns and the numbers contradict each other, so one of them is wrong. Often a lower score is
the better one in the source (a rank, a loss), or the two columns were swapped in every row.

## Example
```jsonl
{"prompt": "Name a colour.", "chosen": "Blue.", "rejected": "Seven.", "chosen_score": 2, "rejected_score": 8}
```

## Fix
None. Find out which of them is right, and swap the columns or the scores at the source.
"""

from __future__ import annotations

import polars as pl

from prefdata.checks import row_rule


@row_rule(
    "PD304",
    "score-order-flipped",
    level="error",
    message=pl.coalesce(
        pl.format("chosen scores {}, rejected {}", "chosen_score", "rejected_score"),
        pl.format("the margin is {}", "margin"),
    ),
)
def score_order_flipped() -> pl.Expr:
    """Returns true where the numbers prefer rejected; NaN prefers nothing."""
    chosen, rejected, margin = (
        pl.col(name).fill_nan(None) for name in ("chosen_score", "rejected_score", "margin")
    )
    return (chosen < rejected).fill_null(value=False) | (margin < 0).fill_null(value=False)
