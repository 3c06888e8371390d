"""A prompt has too many pairs.

## What it does
Finds prompts, tools included, with more than 50 pairs: the pairs from the 51st on, by file and row,
are reported. Sets without prompts are left alone.

## Why is this bad?
Each pair is one step of training, so the set is mostly about these prompts, and the effective number
of independent examples is far below the number of rows. A ranking of eleven answers already gives 55
pairs.

## Example
With `--map prompt=ask,completions=said,scores=points`:
```jsonl
{"ask": "Pick a digit.", "said": ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"], "points": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]}
```

## Fix
`drop` (unsafe): keeps the first 50 pairs of each prompt.
`prefdata curate --select overrepresented-prompt` does it. Another limit:
`rules.overrepresented-prompt = { most = 10 }`.
"""

from __future__ import annotations

import polars as pl
from msgspec import Struct

from prefdata.checks import UNSAFE_DROP, Evidence, set_rule

ORIGIN = ("source", "file", "row")


class Settings(Struct, frozen=True):
    """How many pairs a prompt may have.

    Attributes:
        most: pairs of one prompt that are not reported.
    """

    most: int = 50


@set_rule("PD503", "overrepresented-prompt", level="info", fix=UNSAFE_DROP, settings=Settings)
def overrepresented_prompt(data: Evidence, settings: Settings) -> pl.DataFrame:
    """Returns the pairs beyond the limit; `value` is how many the prompt has."""
    asks = pl.col("prompt").list.len() > 0
    prompts = data.pairs.filter(asks).select("index", "id", "prompt_id", *ORIGIN)
    many = prompts.filter(pl.len().over("prompt_id") > settings.most)
    return (
        many.sort(*ORIGIN, "id", maintain_order=True)
        .with_columns(
            place=pl.int_range(pl.len()).over("prompt_id") + 1, size=pl.len().over("prompt_id")
        )
        .filter(pl.col("place") > settings.most)
        .select(
            "index",
            message=pl.format("pair {} of the {} that its prompt has", "place", "size"),
            value=pl.col("size").cast(pl.Float64),
        )
    )
