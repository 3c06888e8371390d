"""The same two completions are preferred in both directions.

## What it does
Finds pairs of one prompt and the same two completions of which one says that x is better than y and
another that y is better than x. Every pair of such a group is counted.

## Why is this bad?
The gradients cancel, and what is left is noise. Held-out accuracy has a ceiling below 1 that no
model can pass, and a group that lies across a split makes the evaluation wrong by construction.

## Example
```jsonl
{"prompt": "Name a colour.", "chosen": "Blue.", "rejected": "Red."}
{"prompt": "Name a colour.", "chosen": "Red.", "rejected": "Blue."}
```

## Fix
`drop` (unsafe): removes every pair of the group, although one direction may have the majority.
`prefdata curate --select contradictory-pair` does it.
"""

from __future__ import annotations

import polars as pl

from prefdata.checks import UNSAFE_DROP, Evidence, set_rule
from prefdata.edges import contradictions, preference_edges

GROUP = ("low", "high")


@set_rule("PD301", "contradictory-pair", level="error", fix=UNSAFE_DROP)
def contradictory_pair(data: Evidence) -> pl.DataFrame:
    """Returns every pair of a group that holds both directions; `value` is the group's size."""
    groups = contradictions(data.once(preference_edges)).select(
        "index",
        low=pl.min_horizontal("winner", "loser"),
        high=pl.max_horizontal("winner", "loser"),
        up=pl.col("winner") < pl.col("loser"),
    )
    size, same_way = pl.len().over(GROUP), pl.len().over(*GROUP, "up")
    return groups.select(
        "index",
        value=size.cast(pl.Float64),
        message=pl.format(
            "{} of its pairs prefer this completion, {} the other", same_way, size - same_way
        ),
    )
