"""A completion says nothing.

## What it does
Finds pairs in which every message of chosen or of rejected is empty or white space and makes no
tool call. The message says which side.

## Why is this bad?
An empty chosen side teaches the model to end at once; an empty rejected side is beaten by anything,
so the pair says nothing about quality. Both are mostly failed generations. Trainers take them
without a word.

## Example
```jsonl
{"prompt": "Name a colour.", "chosen": "Blue.", "rejected": " "}
```

## Fix
`drop` (safe): there is no answer to learn from. `prefdata curate` does it.
"""

from __future__ import annotations

import polars as pl

from prefdata.checks import SAFE_DROP, row_rule
from prefdata.expressions import is_empty

SIDE = (
    pl.when(is_empty("chosen") & is_empty("rejected"))
    .then(pl.lit("chosen and rejected say nothing"))
    .when(is_empty("chosen"))
    .then(pl.lit("chosen says nothing"))
    .otherwise(pl.lit("rejected says nothing"))
)


@row_rule("PD104", "empty-completion", level="error", fix=SAFE_DROP, message=SIDE)
def empty_completion() -> pl.Expr:
    """Returns true where either side is silent."""
    return is_empty("chosen") | is_empty("rejected")
