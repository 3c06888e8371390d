"""Both sides decline to answer.

## What it does
Finds pairs whose chosen and rejected both begin as a refusal ("I'm sorry, but I can't …"), in English
or Chinese, by the words they begin with.

## Why is this bad?
The pair says which way to decline is the better one, and nothing about the task. Many of them make
a model that declines more, because both sides share the words that DPO then raises or lowers
together. In a set about safety they may be what you want.

## Example
```jsonl
{"prompt": "Name a colour.", "chosen": "I'm sorry, but I can't name colours.", "rejected": "I cannot help with that."}
```

## Fix
`drop` (unsafe): `prefdata curate --select both-refuse` does it.
"""

from __future__ import annotations

import polars as pl

from prefdata.checks import UNSAFE_DROP, row_rule
from prefdata.texts.messages import first_text
from prefdata.texts.refusals import refuses


@row_rule(
    "PD232",
    "both-refuse",
    level="info",
    fix=UNSAFE_DROP,
    message=pl.format(
        'chosen, too, begins with "{}…"', first_text("chosen").str.strip_chars_start().str.head(40)
    ),
)
def both_refuse() -> pl.Expr:
    """Returns true where both sides begin as a refusal."""
    return refuses(first_text("chosen")) & refuses(first_text("rejected"))
