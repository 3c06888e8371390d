"""A system prompt stands after other turns.

## What it does
Finds pairs with a system or developer message after a user, assistant or tool turn, and pairs with
two system messages.

## Why is this bad?
Most chat templates take a system prompt from the first message only: a later one makes them raise,
is dropped without a word, or is rendered as a user's turn. What the data was judged under is then
not what the model sees.

## Example
```jsonl
{"prompt": [{"role": "user", "content": "Name a colour."}, {"role": "system", "content": "Be brief."}], "chosen": [{"role": "assistant", "content": "Blue."}], "rejected": [{"role": "assistant", "content": "Seven."}]}
```

## Fix
None. Move the text into the first message, or into the user's turn.
"""

from __future__ import annotations

import polars as pl

from prefdata.checks import row_rule
from prefdata.texts.messages import turn_letters

LATER = "[uact][sd]|ss|dd"


@row_rule(
    "PD132",
    "system-not-first",
    level="warning",
    message=pl.format(
        "turn {} is a system prompt",
        # `find` counts bytes from 0 up to the turn before it: one letter, one turn
        pl.min_horizontal(
            (turn_letters("prompt") + turn_letters(side)).str.find(LATER)
            for side in ("chosen", "rejected")
        )
        + 2,
    ),
)
def system_not_first() -> pl.Expr:
    """Returns true where a system prompt follows another turn."""
    return pl.any_horizontal(
        (turn_letters("prompt") + turn_letters(side)).str.contains(LATER)
        for side in ("chosen", "rejected")
    )
