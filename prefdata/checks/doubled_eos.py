"""A completion ends with its end token twice.

## What it does
With `--tokenizer MODEL`, finds pairs with a side whose last two tokens, white space aside, are the
same end token.

## Why is this bad?
The second one is trained on, too: the model learns to go on after its end. Where one side has it and
the other has not, it is what tells them apart. Most often the text already ended with the token
before the template wrote its own.

## Example
```jsonl
{"prompt": "Name a colour.", "chosen": "Blue.<|im_end|>", "rejected": "Seven."}
```

## Fix
None. Take the token out of the texts at the source, or out of the template.
"""

from __future__ import annotations

import polars as pl

from prefdata.checks import row_rule


@row_rule(
    "PD411",
    "doubled-eos",
    level="warning",
    message=pl.col("doubled_eos"),
    tokens=True,
)
def doubled_eos() -> pl.Expr:
    """Returns true where a side ends twice."""
    return pl.col("doubled_eos").is_not_null()
