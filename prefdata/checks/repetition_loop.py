"""A completion ends in a loop.

## What it does
Finds pairs in which chosen or rejected ends with the same words over and over: at least `times`
times and at least `characters` characters, up to the last one. Rules and frames (`-----`) are no
words.

## Why is this bad?
A model that could not stop wrote it, up to its length limit. On the chosen side the loop is learnt
token by token; on the rejected side it is beaten by anything, and its hundreds of tokens outweigh
all other pairs in a summed log-prob.

## Example
```jsonl
{"prompt": "Name a colour.", "chosen": "Blue.", "rejected": "It is red, and it is red, and it is red, and it is red, and it is red, and it is red, and it is red, and it is red, and"}
```

## Fix
`drop` (unsafe): a refrain, or a table of equal rows, may be meant.
`prefdata curate --select repetition-loop` does it.
"""

from __future__ import annotations

from functools import partial

import polars as pl
from msgspec import Struct

from prefdata.checks import UNSAFE_DROP, Evidence, set_rule
from prefdata.texts.loops import Loop, loop, may_loop
from prefdata.texts.messages import last_text

SHOWN = 24


class Settings(Struct, frozen=True):
    """What counts as a loop.

    Attributes:
        times: least number of repetitions.
        characters: least length of all repetitions together.
    """

    times: int = 4
    characters: int = 100


@set_rule("PD604", "repetition-loop", level="warning", fix=UNSAFE_DROP, settings=Settings)
def repetition_loop(data: Evidence, settings: Settings) -> pl.DataFrame:
    """Returns the pairs with a side that ends in a loop; `value` is the number of repetitions."""
    find = partial(loop, times=settings.times, characters=settings.characters)
    rows = []
    for side in ("chosen", "rejected"):
        texts = data.pairs.select("index", text=last_text(side))
        candidates = texts.filter(may_loop(pl.col("text"), settings.times))
        for index, text in candidates.iter_rows():
            if found := find(text):
                rows.append((index, float(found.times), _sentence(side, found)))
    schema = {"index": pl.UInt32, "value": pl.Float64, "message": pl.String}
    return pl.DataFrame(rows, schema, orient="row").unique(
        "index", keep="first", maintain_order=True
    )


def _sentence(side: str, found: Loop) -> str:
    head, space, rest = found.unit.partition(" ")
    unit = " ".join(f"{rest}{head}{space}".split())  # the same loop, from the start of a word
    shown = unit if len(unit) <= SHOWN else unit[:SHOWN] + "…"
    return f'{side} ends with "{shown}" {found.times} times over'
