"""A completion does not end with an end token.

## What it does
With `--tokenizer MODEL`, finds pairs with a side whose last token, white space aside, is not one at
which generation stops: the tokenizer's EOS, or what the model's `generation_config.json` adds to it.
Where a model has no such file, the special token with which its template ends a plain answer counts,
too. Cutting at `--max-length` is not looked at; `completion-truncated` does that.

## Why is this bad?
The model is never shown where an answer ends and learns to run on, until the limit, in every answer.
A common cause is a base model with a chat template whose turns end with `<|im_end|>` while its EOS
is `<|endoftext|>`.

## Example
With `--chat-template FILE`, where FILE is `{% for m in messages %}{{ m.role }}: {{ m.content }} {% endfor %}`:
```jsonl
{"prompt": "Name a colour.", "chosen": "Blue.", "rejected": "Seven."}
```

## Fix
None. Use a template that ends the assistant's turns, or set the model's `eos_token` to the token with
which it does.
"""

from __future__ import annotations

import polars as pl

from prefdata.checks import row_rule


@row_rule(
    "PD410",
    "missing-eos",
    level="error",
    message=pl.col("missing_eos"),
    tokens=True,
)
def missing_eos() -> pl.Expr:
    """Returns true where a side does not end."""
    return pl.col("missing_eos").is_not_null()
