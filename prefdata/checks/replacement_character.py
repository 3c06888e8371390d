r"""A text holds U+FFFD, the sign of a character that was lost.

## What it does
Finds pairs with a replacement character in any message. The message quotes the first.

## Why is this bad?
A decoder writes it where bytes are no text: the original is gone. Mostly a streamed answer was cut
inside a character of several bytes, or a file was read in the wrong encoding. The model learns to
write it.

## Example
```jsonl
{"prompt": "Name a colour.", "chosen": "Bl\ufffd\ufffd.", "rejected": "Seven."}
```

## Fix
`drop` (unsafe): the rest of the text may be worth more than the lost character.
`prefdata curate --select replacement-character` does it.
"""

from __future__ import annotations

import polars as pl

from prefdata.checks import UNSAFE_DROP, row_rule
from prefdata.texts.messages import first_in_texts, in_any_text

LOST = "\N{REPLACEMENT CHARACTER}"
CONTEXT = r"(.{0,12}\x{FFFD}+.{0,12})"


@row_rule(
    "PD601",
    "replacement-character",
    level="warning",
    fix=UNSAFE_DROP,
    message=first_in_texts(pl.element().str.extract(CONTEXT), '{} has lost characters: "{}"'),
)
def replacement_character() -> pl.Expr:
    """Returns true where any message holds U+FFFD."""
    return in_any_text(pl.element().str.contains(LOST, literal=True))
