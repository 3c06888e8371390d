"""The prompt alone has as many tokens as fit.

## What it does
With `--tokenizer MODEL --max-length N`, finds pairs whose rendered prompt has N tokens or more.

## Why is this bad?
Cut to N tokens, nothing of either completion is left. The pair has no loss: some trainers drop it
without a word, others train on two empty completions.

## Example
With `--max-length 16`:
```jsonl
{"prompt": "Write a short poem about the sea, with waves that rise and waves that fall.", "chosen": "Waves.", "rejected": "Seven."}
```

## Fix
None. Raise `max_length`, shorten the prompt, or leave the pair to `truncation: drop`, which counts
it.
"""

from __future__ import annotations

import polars as pl

from prefdata.checks import row_rule


@row_rule(
    "PD401",
    "prompt-fills-max-length",
    level="error",
    message=pl.format("the prompt alone has {} tokens", "prompt_tokens"),
    tokens=True,
)
def prompt_fills_max_length() -> pl.Expr:
    """Returns true where no token of a completion is left."""
    return pl.col("prompt_fills_max_length")
