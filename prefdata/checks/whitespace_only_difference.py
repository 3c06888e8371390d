"""Chosen and rejected differ in white space only.

## What it does
Finds pairs whose sides are not the same but become so when every run of white space is taken as one
space and the edges are trimmed.

## Why is this bad?
The pair prefers a newline to a space. Often one side was trimmed by a tool and the other was not;
the model learns how to end a line, with the full weight of a preference.

## Example
```jsonl
{"prompt": "Name a colour.", "chosen": "Blue, I think.", "rejected": "Blue,  I think. "}
```

## Fix
`drop` (safe): no difference in meaning is lost. `prefdata curate` does it.
"""

from __future__ import annotations

import polars as pl

from prefdata.checks import SAFE_DROP, row_rule
from prefdata.expressions import collapsed, contents, excerpt


def _first_word(side: str) -> pl.Expr:
    return contents(side).list.first().str.extract(r"^\s*(\S+)")


@row_rule(
    "PD203",
    "whitespace-only-difference",
    level="warning",
    fix=SAFE_DROP,
    message=pl.format('only white space differs ("{}")', excerpt("chosen")),
)
def whitespace_only_difference() -> pl.Expr:
    """Returns true where sides differ, and no longer do when white space is collapsed."""
    sides = pl.struct("chosen", "rejected")
    return sides.map_batches(_differ_in_white_space, pl.Boolean, is_elementwise=True)


def _differ_in_white_space(sides: pl.Series) -> pl.Series:
    """Returns where only white space differs.

    Collapsing every text takes ten times as long as all row rules together, so it is done only
    where the first words agree: a necessary condition, and rarely met.
    """
    pairs = sides.struct.unnest()
    alike = pairs.select(_first_word("chosen").eq_missing(_first_word("rejected"))).to_series()
    same = collapsed("chosen").eq_missing(collapsed("rejected"))
    different = pl.col("chosen").ne_missing(pl.col("rejected"))
    verdict = pairs.filter(alike).rechunk().select(same & different).to_series()
    return alike.scatter(alike.arg_true(), verdict)
