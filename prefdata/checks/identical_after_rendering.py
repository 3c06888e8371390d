"""Chosen and rejected differ, but not in the tokens of this model.

## What it does
With `--tokenizer MODEL`, finds pairs whose sides differ as data and are the same once the chat
template has been applied and the text tokenised.

## Why is this bad?
The template drops what the sides differ in (a thinking field, a message's name, white space at the
edges), so the pair is an identical pair to the trainer: the margin stays 0 and DPO's loss log 2.

## Example
```jsonl
{"prompt": [{"role": "user", "content": "Name a colour."}], "chosen": [{"role": "assistant", "content": "Blue.", "thinking": "The sea."}], "rejected": [{"role": "assistant", "content": "Blue."}]}
```

## Fix
None. Use a template that renders the difference, or leave the pair out.
"""

from __future__ import annotations

import polars as pl

from prefdata.checks import row_rule


@row_rule(
    "PD405",
    "identical-after-rendering",
    level="error",
    message=pl.format("both sides are the same {} tokens", "chosen_tokens"),
    tokens=True,
)
def identical_after_rendering() -> pl.Expr:
    """Returns true where rendering takes away the difference."""
    different = pl.col("chosen").ne_missing(pl.col("rejected"))
    return pl.col("identical_rendered") & different
