"""A completion does not fit and loses its end.

## What it does
With `--tokenizer MODEL --max-length N`, finds pairs that lose tokens of chosen or rejected when
prompt and completion are cut to N tokens. Where the prompt alone fills N,
`prompt-fills-max-length` says so instead.

## Why is this bad?
The model never sees the end of the answer, nor the token that ends it, and learns to run on. Where
the difference between the sides lies in the end, the pair teaches something else than was judged.

## Example
With `--max-length 24`:
```jsonl
{"prompt": "Name a colour.", "chosen": "Blue, as the sea is blue, with waves that rise and waves that fall, and fall again.", "rejected": "Seven."}
```

## Fix
None. Raise `max_length`, or leave the pair to `truncation: drop`, which counts it.
"""

from __future__ import annotations

import polars as pl

from prefdata.checks import row_rule


@row_rule(
    "PD402",
    "completion-truncated",
    level="warning",
    message=pl.format(
        "chosen loses {} of {} tokens, rejected {} of {}",
        "chosen_cut",
        "chosen_tokens",
        "rejected_cut",
        "rejected_tokens",
    ),
    tokens=True,
)
def completion_truncated() -> pl.Expr:
    """Returns true where a part of a completion is left and a part is lost."""
    loses = (pl.col("chosen_cut") > 0) | (pl.col("rejected_cut") > 0)
    return loses & ~pl.col("prompt_fills_max_length")
