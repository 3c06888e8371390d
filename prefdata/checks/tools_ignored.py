"""A prompt has tools, and the chat template does not show them.

## What it does
With `--tokenizer MODEL`, finds pairs with tool definitions whose rendered prompt is the same text
without them.

## Why is this bad?
The model is taught to call tools that nobody told it of, so it makes up names and arguments. Both
sides look alike to it where they differ in which tool is right.

## Example
```jsonl
{"prompt": [{"role": "user", "content": "Will it rain?"}], "chosen": [{"role": "assistant", "content": "Let me look."}], "rejected": [{"role": "assistant", "content": "No."}], "tools": [{"type": "function", "function": {"name": "weather", "description": "Weather of today.", "parameters": {"type": "object", "properties": {}}}}]}
```

## Fix
None. Use a template that renders tools, or write them into the system message.
"""

from __future__ import annotations

import polars as pl

from prefdata.checks import row_rule


@row_rule(
    "PD412",
    "tools-ignored",
    level="warning",
    message="the chat template writes the same prompt without the tools",
    tokens=True,
)
def tools_ignored() -> pl.Expr:
    """Returns true where tools make no difference."""
    return pl.col("tools_ignored")
