"""A pair occurs more than once but for letter case and white space.

## What it does
Finds pairs that are not the same as an earlier one letter by letter, but are after Unicode NFKC, case
folding, and taking every run of white space as one space. The first, by file and row, is not
reported, and neither is what `duplicate-pair` finds.

## Why is this bad?
It is a duplicate that comparing ids cannot see: the pair weighs more than was meant, and a split by
row puts it into training and test.

## Example
```jsonl
{"prompt": "Name a colour.", "chosen": "Blue.", "rejected": "Seven."}
{"prompt": "name a colour. ", "chosen": "Blue.", "rejected": "seven."}
```

## Fix
`drop` (unsafe): keeps the first, although in code or names the case may matter.
`prefdata curate --select loosely-duplicate-pair` does it.
"""

from __future__ import annotations

import polars as pl

from prefdata.checks import UNSAFE_DROP, Evidence, set_rule
from prefdata.near.conversations import ORIGIN, loose_keys


@set_rule("PD505", "loosely-duplicate-pair", level="warning", fix=UNSAFE_DROP)
def loosely_duplicate_pair(data: Evidence) -> pl.DataFrame:
    """Returns the pairs whose loose form was there before, but not whose id was.

    One side at a time is put into its loose form, of the pairs that still have a double.
    """
    columns = ("index", "id", "tools", *ORIGIN, "prompt", "chosen", "rejected")
    pairs = data.pairs.select(columns)
    key = pairs["tools"].hash()
    for side in ("rejected", "chosen", "prompt"):
        key = key.hash() ^ loose_keys(pairs, side)
        again = key.is_duplicated()
        pairs, key = pairs.filter(again), key.filter(again)
    doubles = pairs.with_columns(key=key).sort(*ORIGIN, "id", maintain_order=True)
    file, row = pl.col("file").first().over("key"), pl.col("row").first().over("key")
    place = pl.when(pl.col("file") == file).then(pl.format("row {}", row))
    first = place.otherwise(pl.format("{}:{}", file, row))
    return (
        doubles.with_columns(message=pl.format("but for case and space the same as {}", first))
        .filter(~pl.col("key").is_first_distinct() & pl.col("id").is_first_distinct())
        .select("index", "message")
    )
