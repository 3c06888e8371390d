r"""A text holds characters that nobody sees.

## What it does
Finds pairs with a zero-width space, a word joiner or a byte-order mark (U+200B, U+2060, U+FEFF) in
any message, and with a zero-width joiner or non-joiner between two Latin letters, where it has
nothing to do. In emoji and in the scripts that need joiners they are left alone.

## Why is this bad?
Two texts that look the same are not: tokens, duplicates and word counts differ. They come from web
pages and editors, and some services write them as a watermark, so that a model can learn them as
the sign of one side.

## Example
```jsonl
{"prompt": "Name a colour.", "chosen": "Bl\u200bue.", "rejected": "Seven."}
```

## Fix
None. Take them out at the source.
"""

from __future__ import annotations

import polars as pl

from prefdata.checks import row_rule
from prefdata.texts.messages import SIDES, in_any_text
from prefdata.texts.unusual import code_points

INVISIBLE = r"([\x{200B}\x{2060}\x{FEFF}])|\p{Latin}([\x{200C}\x{200D}])\p{Latin}"


@row_rule(
    "PD603",
    "zero-width-character",
    level="info",
    message=pl.coalesce(code_points(side, INVISIBLE, groups=2) for side in SIDES),
)
def zero_width_character() -> pl.Expr:
    """Returns true where any message holds one."""
    return in_any_text(pl.element().str.contains(INVISIBLE))
