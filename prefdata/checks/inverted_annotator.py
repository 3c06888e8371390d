"""An annotator answers the opposite of what is right.

## What it does
Estimates from the votes how often each annotator is right (Dawid and Skene 1979): the truth of an item
is what the votes of the others on it make likely, each by the accuracy of its annotator. An annotator
is reported when the whole 95 % interval, which holds for all annotators at once, lies below one half.
Votes for a tie and items with one vote do not count.

## Why is this bad?
Somebody who guesses is right half of the time. Less than that takes knowledge of the right answer: the
scale was read the wrong way round, the two sides changed places in the tool, or a rank was taken for a
score. All labels that rest on these votes are flipped.

## Example
```csv
prompt,answer_left,answer_right,ann1,ann2,ann3,ann4
Name a colour.,Blue.,Seven.,left,left,left,right
Name a fruit.,Six.,Fig.,right,right,right,left
Name a city.,Rome.,Five.,left,left,left,right
Name a river.,Four.,Nile.,right,right,right,left
Name a bird.,Wren.,Three.,left,left,left,right
Name a tree.,Two.,Oak.,right,right,right,left
Name a metal.,Tin.,One.,left,left,left,right
Name a sea.,Ten.,Aral.,right,right,right,left
```

## Fix
None. Look at some of the votes; if they are inverted, turn them at the source and convert again.
"""

from __future__ import annotations

import polars as pl

from prefdata.ballots import accuracies
from prefdata.checks import Evidence, set_rule
from prefdata.expressions import EXCERPT


@set_rule("PD306", "inverted-annotator", level="error")
def inverted_annotator(data: Evidence) -> pl.DataFrame:
    """Returns one finding an annotator, about the whole set; `value` is the accuracy."""
    table = data.once(accuracies)
    return table.filter(pl.col("annotator").is_not_null() & (pl.col("high") < 0.5)).select(
        index=pl.lit(None, pl.UInt32), value="accuracy", message=_message()
    )


def _message() -> pl.Expr:
    percent = [(100 * pl.col(name)).round(1) for name in ("accuracy", "low", "high")]
    return pl.format(
        "annotator '{}' is right in {}% of {} votes (95 % CI {} to {}): the answers look inverted",
        pl.col("annotator").str.head(EXCERPT),
        percent[0],
        "votes",
        *percent[1:],
    )
