"""The prompt's last turn is the assistant's own.

## What it does
Finds pairs whose prompt ends in an assistant message, so that the completion follows another
answer.

## Why is this bad?
A chat template puts an end of turn and a new assistant header between the two. The model is trained
to answer itself, a place it never reaches in use. Mostly the last user turn was lost, or the answer
stands in the prompt already.

## Example
```jsonl
{"prompt": [{"role": "user", "content": "Name a colour."}, {"role": "assistant", "content": "Blue."}], "chosen": [{"role": "assistant", "content": "Or red."}], "rejected": [{"role": "assistant", "content": "Seven."}]}
```

## Fix
None. Add the missing user turn, or move the assistant's turn into both completions.
"""

from __future__ import annotations

import polars as pl

from prefdata.checks import row_rule


@row_rule(
    "PD107",
    "prompt-ends-with-assistant",
    level="warning",
    message="the prompt ends with an assistant turn, so the completion answers an answer",
)
def prompt_ends_with_assistant() -> pl.Expr:
    """Returns true where the last message before the completion is the assistant's."""
    last = pl.col("prompt").list.get(-1, null_on_oob=True)
    return last.struct.field("role") == "assistant"
