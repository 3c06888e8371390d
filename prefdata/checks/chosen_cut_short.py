"""Chosen breaks off, and rejected does not.

## What it does
Finds pairs whose chosen side ends where no sentence can: at a comma, after a word such as "the",
"and" or "because", or inside a code block, while rejected ends with a full stop or its like. It goes
by English words and by punctuation, so it misses more than it finds.

## Why is this bad?
The answer hit a length limit when it was generated, or was cut by a tool. The model learns to stop
in the middle of a sentence, and that this is better than to finish.

## Example
```jsonl
{"prompt": "Name a colour.", "chosen": "Blue is a good one. The sky is blue, and so are the sea and the", "rejected": "Seven."}
```

## Fix
`drop` (unsafe): an answer that breaks off may still be the better one.
`prefdata curate --select chosen-cut-short` does it.
"""

from __future__ import annotations

import polars as pl

from prefdata.checks import UNSAFE_DROP, row_rule
from prefdata.texts.messages import last_text

_MORE_TO_COME = (
    "a|an|the|and|or|but|of|to|in|at|by|for|from|without|as|than|which|who|because|if|is|are|was|were"
    "|be|been|has|have|had|will|would|can|could|should|may|might|must|its|their|your|my|our|his|very"
    "|such|between|into|not|they|we|he|she"
)
_WORD = r"[\p{L}'\x{2019},-]+ "
# The last line is prose: long enough to be no greeting, and words rather than code before its end.
BREAKS_OFF = rf"[^\n]{{40}}(?:,|[\p{{L}},.!?] (?:{_WORD}){{2}}(?:{_MORE_TO_COME}))\s*\z"
ENDS = r"[\p{P}\p{S}--[,\x{FF0C}\x{3001}-]]\s*\z"
FENCE = "```"


def _open_block(side: str) -> pl.Expr:
    return last_text(side).str.count_matches(FENCE, literal=True) % 2 == 1


@row_rule(
    "PD230",
    "chosen-cut-short",
    level="warning",
    fix=UNSAFE_DROP,
    message=pl.when(_open_block("chosen") & ~_open_block("rejected"))
    .then(pl.lit("chosen ends inside a code block"))
    .otherwise(
        pl.format('chosen ends with "…{}"', last_text("chosen").str.strip_chars_end().str.tail(30))
    ),
)
def chosen_cut_short() -> pl.Expr:
    """Returns true where chosen breaks off and rejected is finished."""
    breaks_off = last_text("chosen").str.tail(300).str.contains(BREAKS_OFF)
    finished = last_text("rejected").str.tail(20).str.contains(ENDS)
    return (breaks_off & finished) | (_open_block("chosen") & ~_open_block("rejected"))
