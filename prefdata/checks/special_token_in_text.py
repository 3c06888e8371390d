"""A text holds what this tokenizer reads as a control token.

## What it does
With `--tokenizer MODEL`, finds pairs with the text of one of the tokenizer's special tokens inside a
message: its end of turn, `<s>`, `<|endoftext|>`, or the `<filename>` of a code model. Pairs with
images are not looked at, since their placeholders are such texts. Without a tokenizer,
`template-marker-in-text` knows the common ones.

## Why is this bad?
The tokenizer does not tell them from those that the template writes. A text can end its own turn,
open one of another role, or lose a word that was meant as text.

## Example
```jsonl
{"prompt": "How does a turn end?", "chosen": "With <|im_end|> in ChatML.", "rejected": "With a full stop."}
```

## Fix
None. Take it out at the source where it is the rest of another template; where a text is about it,
write it in another way.
"""

from __future__ import annotations

import polars as pl

from prefdata.checks import row_rule


@row_rule(
    "PD408",
    "special-token-in-text",
    level="warning",
    message=pl.col("special_token"),
    tokens=True,
)
def special_token_in_text() -> pl.Expr:
    """Returns true where any message holds one."""
    return pl.col("special_token").is_not_null()
