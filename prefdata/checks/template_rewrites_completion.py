"""The chat template changes an answer.

## What it does
With `--tokenizer MODEL`, finds pairs with an assistant turn in chosen or rejected that is not in the
rendered text as it is in the data: white space at its edges is trimmed, what it says before
`</think>` or in `thinking` is left out, a tool call is missing, has other arguments, or has them as a
quoted string.

## Why is this bad?
The pair was judged by another answer than the one trained on. A model that shall think, or call
tools, is taught not to; and where only one side loses something, the pair says something else.

## Example
```jsonl
{"prompt": [{"role": "user", "content": "Name a colour."}], "chosen": [{"role": "assistant", "content": "Blue.", "thinking": "The sea is blue."}], "rejected": [{"role": "assistant", "content": "Seven."}]}
```

## Fix
None. Use a template that renders it (TRL's `*_training.jinja` keep thinking), write the arguments of
tool calls as objects, or leave out of the data what shall not be learnt.
"""

from __future__ import annotations

import polars as pl

from prefdata.checks import row_rule


@row_rule(
    "PD407",
    "template-rewrites-completion",
    level="warning",
    message=pl.col("rewritten"),
    tokens=True,
)
def template_rewrites_completion() -> pl.Expr:
    """Returns true where a side is not in its text as it is."""
    return pl.col("rewritten").is_not_null()
