"""A prompt is also in the other split.

## What it does
With `--against OTHER`, finds pairs whose prompt, tools included, also occurs in OTHER. Where there
is no prompt at all, the pair itself must occur there.

## Why is this bad?
A model that has trained on other answers to the same prompt has seen much of what the held-out pair
asks, so accuracy on it is too high. Two completions of one prompt often share whole sentences.

## Example
Checked against itself (`prefdata check x.jsonl --against x.jsonl`):
```jsonl
{"prompt": "Name a colour.", "chosen": "Blue.", "rejected": "Seven."}
```

## Fix
None. Split again with `prefdata split`, which never divides a prompt.
"""

from __future__ import annotations

import polars as pl

from prefdata.checks import Evidence, set_rule


@set_rule("PD504", "split-leakage", level="error", needs="against")
def split_leakage(data: Evidence) -> pl.DataFrame:
    """Returns the pairs whose prompt, or who themselves, are in `data.against`."""
    if data.against is None:
        raise ValueError("split-leakage compares two sets")
    same_prompt = pl.col("prompt_id").is_in(data.against["prompt_id"].implode())
    same_pair = pl.col("id").is_in(data.against["id"].implode())
    asks = pl.col("prompt").list.len() > 0
    return data.pairs.filter((asks & same_prompt) | same_pair).select(
        "index", message=pl.lit("its prompt is also in the other set")
    )
