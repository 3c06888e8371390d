"""A pair occurs more than once.

## What it does
Finds pairs with the id of an earlier one: the same prompt, chosen, rejected and tools, letter by
letter. The first, by file and row, is not reported.

## Why is this bad?
Repeats weigh a pair more than was meant. Split by row, they put the same pair into training and
test, and the held-out accuracy measures memory.

## Example
```jsonl
{"prompt": "Name a colour.", "chosen": "Blue.", "rejected": "Seven."}
{"prompt": "Name a colour.", "chosen": "Blue.", "rejected": "Seven."}
```

## Fix
`drop` (safe): keeps the first. `prefdata curate` does it.
"""

from __future__ import annotations

import polars as pl

from prefdata.checks import SAFE_DROP, Evidence, set_rule

ORIGIN = ("source", "file", "row")


@set_rule("PD501", "duplicate-pair", level="warning", fix=SAFE_DROP)
def duplicate_pair(data: Evidence) -> pl.DataFrame:
    """Returns the pairs from the second of each id on, in the order of their origins."""
    repeated = data.pairs["id"].hash().is_duplicated()  # few rows, and no text is hashed but ids
    pairs = data.pairs.select("index", "id", *ORIGIN).filter(repeated)
    pairs = pairs.sort(ORIGIN, maintain_order=True)
    file, row = pl.col("file").first().over("id"), pl.col("row").first().over("id")
    nearby, elsewhere = pl.format("row {}", row), pl.format("{}:{}", file, row)
    first = pl.when(pl.col("file") == file).then(nearby).otherwise(elsewhere)
    return (
        pairs.with_columns(message=pl.format("the same pair as {}", first))
        .filter(~pl.col("id").is_first_distinct())
        .select("index", "message")
    )
