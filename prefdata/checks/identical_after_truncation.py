"""Chosen and rejected become the same tokens when they are cut.

## What it does
With `--tokenizer MODEL --max-length N`, finds pairs that differ, but only in tokens beyond the
first N. Where the prompt alone fills N, `prompt-fills-max-length` says so instead.

## Why is this bad?
The pair is an identical pair to the trainer: the margin stays 0 and DPO's loss log 2. Of a public
set of long answers cut at 512 tokens, 7 % of the pairs were like this, and nothing said so.

## Example
With `--max-length 24`:
```jsonl
{"prompt": "Name a colour.", "chosen": "Blue, as the sea is blue, with waves that rise and waves that fall. Bake bread.", "rejected": "Blue, as the sea is blue, with waves that rise and waves that fall. Seven."}
```

## Fix
None. Raise `max_length`, or leave the pair to `truncation: drop`, which counts it.
"""

from __future__ import annotations

import polars as pl

from prefdata.checks import row_rule


@row_rule(
    "PD404",
    "identical-after-truncation",
    level="error",
    message=pl.format(
        "the sides differ only after the {} tokens that are left",
        pl.col("chosen_tokens") - pl.col("chosen_cut"),
    ),
    tokens=True,
)
def identical_after_truncation() -> pl.Expr:
    """Returns true where cutting takes away the difference and leaves something."""
    same = pl.col("identical_truncated") & ~pl.col("identical_rendered")
    return same & ~pl.col("prompt_fills_max_length")
