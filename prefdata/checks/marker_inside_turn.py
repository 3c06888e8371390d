"""A turn holds the marker of another turn.

## What it does
Finds pairs with a message that begins with `Human:` or `Assistant:`, has one of these after the end of a
sentence, or has a paragraph that begins with one of these or with `User:`.

## Why is this bad?
A transcript was split in the wrong place, or a model went on to write the other side's turn. Either
way the model is trained to speak for the user, and to do so inside its own turn. In Anthropic's
hh-rlhf, 2 % of the rows are like this.

## Example
```jsonl
{"prompt": "Name a colour.", "chosen": "Blue.\\n\\nHuman: And a fruit?", "rejected": "Seven."}
```

## Fix
`drop` (unsafe): a text about transcripts may hold such markers rightly.
`prefdata curate --select marker-inside-turn` does it.
"""

from __future__ import annotations

import polars as pl

from prefdata.checks import UNSAFE_DROP, row_rule
from prefdata.texts.messages import first_in_texts, in_any_text

MARKER = r"(?:\A\s*|\n\s*\n[ \t]*|[.!?][\"')]?[ \t]+)((?:Human|Assistant):)|\n\s*\n[ \t]*(User:)"


def _marker() -> pl.Expr:
    text = pl.element()
    return pl.coalesce(text.str.extract(MARKER, 1), text.str.extract(MARKER, 2))


@row_rule(
    "PD134",
    "marker-inside-turn",
    level="warning",
    fix=UNSAFE_DROP,
    message=first_in_texts(_marker(), "a turn of {} holds {}"),
)
def marker_inside_turn() -> pl.Expr:
    """Returns true where any message holds a marker."""
    return in_any_text(pl.element().str.contains(MARKER))
