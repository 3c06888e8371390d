r"""A text holds control characters.

## What it does
Finds pairs with a character of Unicode's category Cc other than newline, tab and carriage return in
any message: NUL, backspace, escape, and the C1 range that nobody writes on purpose.

## Why is this bad?
Tokenizers spell them as rare byte tokens, terminals obey them, and C tools end at NUL. They come
from terminals (colours), from PDFs, from LaTeX in which `\f` of `\frac` was read as an escape, and
from text that was decoded as Latin-1 although it was Windows-1252.

## Example
```jsonl
{"prompt": "Name a colour.", "chosen": "\u001b[34mBlue.\u001b[0m", "rejected": "Seven."}
```

## Fix
None. Take them out at the source; what they stood for may need to be written as text.
"""

from __future__ import annotations

import polars as pl

from prefdata.checks import row_rule
from prefdata.texts.messages import SIDES, in_any_text
from prefdata.texts.unusual import code_points

CONTROL = r"([\x00-\x08\x0B\x0C\x0E-\x1F\x7F-\x{9F}])"


@row_rule(
    "PD602",
    "control-character",
    level="warning",
    message=pl.coalesce(code_points(side, CONTROL) for side in SIDES),
)
def control_character() -> pl.Expr:
    """Returns true where any message holds one."""
    return in_any_text(pl.element().str.contains(CONTROL))
