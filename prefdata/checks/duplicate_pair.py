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
    # ids are looked up by 64 bits of them, several times as fast, and compared where these agree
    pairs = data.pairs.select("index", "id", *ORIGIN, key=pl.col("id").hash())
    repeated = pairs.filter(pl.col("key").is_duplicated()).sort(ORIGIN, maintain_order=True)
    is_first = repeated["key"].is_first_distinct()
    later = repeated.filter(~is_first).join(
        repeated.filter(is_first), on="key", suffix="_first", maintain_order="left"
    )
    nearby = pl.format("row {}", "row_first")
    elsewhere = pl.format("{}:{}", "file_first", "row_first")
    first = pl.when(pl.col("file") == pl.col("file_first")).then(nearby).otherwise(elsewhere)
    return later.filter(pl.col("id") == pl.col("id_first")).select(
        "index", message=pl.format("the same pair as {}", first)
    )
