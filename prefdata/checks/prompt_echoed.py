"""A completion begins with the prompt.

## What it does
Finds pairs in which chosen or rejected begins with the whole text of the last user turn, letter by
letter, if that has at least `characters` characters.

## Why is this bad?
Base models are sampled as prompt plus continuation, and the prompt was not taken off: the model
learns to repeat the question. When it happens on one side only, it gives the label away.

## Example
```jsonl
{"prompt": "Which colour has the sky by day?", "chosen": "Blue.", "rejected": "Which colour has the sky by day? Seven."}
```

## Fix
`drop` (unsafe): where the task is to continue or correct a text, the prompt belongs there.
`prefdata curate --select prompt-echoed` does it.
"""

from __future__ import annotations

import polars as pl
from msgspec import Struct

from prefdata.checks import UNSAFE_DROP, row_rule
from prefdata.texts.messages import first_text, last_user_text


class Settings(Struct, frozen=True):
    """Which prompts are looked for.

    Attributes:
        characters: least length of a prompt; short ones are repeated by accident.
    """

    characters: int = 20


def _echoed(side: str) -> pl.Expr:
    return (
        first_text(side).str.strip_chars_start().str.starts_with(last_user_text().str.strip_chars())
    )


@row_rule(
    "PD231",
    "prompt-echoed",
    level="warning",
    fix=UNSAFE_DROP,
    settings=Settings,
    message=pl.when(_echoed("chosen") & _echoed("rejected"))
    .then(pl.lit("both sides begin with the prompt"))
    .when(_echoed("chosen"))
    .then(pl.lit("chosen begins with the prompt"))
    .otherwise(pl.lit("rejected begins with the prompt")),
)
def prompt_echoed(settings: Settings) -> pl.Expr:
    """Returns true where a side begins with the prompt."""
    long_enough = last_user_text().str.strip_chars().str.len_chars() >= settings.characters
    return long_enough & (_echoed("chosen") | _echoed("rejected"))
