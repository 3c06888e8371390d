"""The sequence begins with two BOS tokens.

## What it does
With `--tokenizer MODEL`, finds pairs whose first two tokens are both the beginning-of-sequence token.

## Why is this bad?
The model has seen one BOS at the start of every text. A second one moves all attention that goes to
the first token, answers get worse, and no error says so. One of the two comes from the template, the
other from the data, or from a template that was copied together.

## Example
With `--chat-template FILE`, where FILE is `{{ bos_token }}{% for m in messages %}{{ m.content }}<|im_end|>{% endfor %}`:
```jsonl
{"prompt": "<|endoftext|>Name a colour.", "chosen": "Blue.", "rejected": "Seven."}
```

## Fix
None. Take the token out of the texts, or out of the template.
"""

from __future__ import annotations

import polars as pl

from prefdata.checks import row_rule


@row_rule(
    "PD409",
    "doubled-bos",
    level="warning",
    message="the sequence begins with two BOS tokens",
    tokens=True,
)
def doubled_bos() -> pl.Expr:
    """Returns true where BOS is followed by BOS."""
    return pl.col("doubled_bos")
