"""Chosen and rejected are the same.

## What it does
Finds pairs whose two sides are equal in every message: role, text, tool calls and thinking.

## Why is this bad?
Every model scores both sides alike: DPO's margin is 0 and its loss the constant log 2, so the pair
costs two forward passes and teaches nothing. ORPO still learns to imitate the text. Such pairs come
from ties that were written as preferences, and from `max` and `min` over equal ratings.

## Example
```jsonl
{"prompt": "Name a colour.", "chosen": "Blue.", "rejected": "Blue."}
```

## Fix
`drop` (safe): no preference is lost. `prefdata curate` does it.
"""

from __future__ import annotations

import polars as pl

from prefdata.checks import SAFE_DROP, row_rule
from prefdata.expressions import excerpt, sides_are_equal


@row_rule(
    "PD201",
    "identical-pair",
    level="error",
    fix=SAFE_DROP,
    message=pl.format('chosen and rejected are the same ("{}")', excerpt("chosen")),
)
def identical_pair() -> pl.Expr:
    """Returns true where both sides are equal."""
    return sides_are_equal()
