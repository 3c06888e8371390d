"""Preferences between the completions of one prompt go round in a circle.

## What it does
Finds pairs that lie on a cycle, such as x over y, y over z and z over x, among the completions of
one prompt. Where the same two completions were compared more than once, the majority decides; equal
numbers say nothing (see contradictory-pair). Each message names the pair that fits worst with the
ranking that fits all of them best (HodgeRank), if one stands out.

## Why is this bad?
No score of the completions can satisfy all of these pairs, so at least one of them is noise, or the
annotators judged by different things. In training they pull against each other.

## Example
```jsonl
{"prompt": "Name a colour.", "chosen": "Blue.", "rejected": "Red."}
{"prompt": "Name a colour.", "chosen": "Red.", "rejected": "Green."}
{"prompt": "Name a colour.", "chosen": "Green.", "rejected": "Blue."}
```

## Fix
`drop` (unsafe): removes every pair between the completions of a cycle, although most of them may be
right. `prefdata curate --select preference-cycle` does it. To lose less, remove the pairs that the
messages name, and check again.
"""

from __future__ import annotations

import polars as pl

from prefdata.checks import UNSAFE_DROP, Evidence, set_rule
from prefdata.edges import on_cycles, preference_edges

_TOLERANCE = 1e-6  # of residuals, so that equal ones are equal on every machine


@set_rule("PD302", "preference-cycle", level="warning", fix=UNSAFE_DROP)
def preference_cycle(data: Evidence) -> pl.DataFrame:
    """Returns every pair of a cycle; `value` is its HodgeRank residual, above 1 it is suspicious."""
    places = data.pairs.select("index", "id", "source", "file", "row")
    rows = on_cycles(data.once(preference_edges)).join(places, on="index")
    worst = pl.col("residual") > pl.col("residual").max().over("cycle") - _TOLERANCE
    against = worst & (pl.col("residual") > 1 + _TOLERANCE)
    return (
        rows.sort("source", "file", "row", "id", "index")
        .with_columns(suspect=against & (pl.col("edge").n_unique().over("cycle", against) == 1))
        .select("index", value="residual", message=_message())
    )


def _message() -> pl.Expr:
    here = pl.col("file").n_unique().over("cycle") == 1
    named = (
        pl.when(here).then(pl.format("row {}", "row")).otherwise(pl.format("{}:{}", "file", "row"))
    )
    first = named.filter("suspect").first().over("cycle")
    return pl.format(
        "one of {} pairs on a cycle of {} completions; {}",
        pl.len().over("cycle"),
        "completions",
        pl.when("suspect")
        .then(pl.lit("this one fits the others worst"))
        .otherwise(
            pl.coalesce(pl.format("{} fits the others worst", first), pl.lit("none stands out"))
        ),
    )
