"""User and assistant do not take turns.

## What it does
Finds pairs in which two user turns, or two assistant turns, follow each other inside the prompt or
inside a completion, and prompts that begin with an assistant turn. Tool results count as part of
the assistant's turn. A prompt that ends with the assistant is `prompt-ends-with-assistant`.

## Why is this bad?
Some chat templates raise (Llama 2, Mistral, Gemma), others render a conversation that the model
never meets. Mostly a turn was lost when the source was split, and the answer belongs to another
question.

## Example
```jsonl
{"prompt": [{"role": "user", "content": "Hello."}, {"role": "user", "content": "Name a colour."}], "chosen": [{"role": "assistant", "content": "Blue."}], "rejected": [{"role": "assistant", "content": "Seven."}]}
```

## Fix
None. Restore the missing turn at the source, or join the two turns into one.
"""

from __future__ import annotations

import polars as pl

from prefdata.checks import row_rule
from prefdata.texts.messages import SIDES, turn_letters

TWICE_ASSISTANT = r"aa|ac"
FIRST = r"^[sd]*[ac]"

MESSAGE = (
    pl.when(turn_letters("prompt").str.contains(FIRST))
    .then(pl.lit("the prompt begins with an assistant turn"))
    .otherwise(
        pl.coalesce(
            pl.when(turn_letters(side).str.contains(letters)).then(
                pl.lit(f"two {role} turns follow each other in {side}")
            )
            for side in SIDES
            for letters, role in (("uu", "user"), (TWICE_ASSISTANT, "assistant"))
        )
    )
)


@row_rule("PD131", "broken-alternation", level="warning", message=MESSAGE)
def broken_alternation() -> pl.Expr:
    """Returns true where one speaks twice, or the assistant first."""
    twice = [turn_letters(side).str.contains(f"uu|{TWICE_ASSISTANT}") for side in SIDES]
    return pl.any_horizontal(turn_letters("prompt").str.contains(FIRST), *twice)
