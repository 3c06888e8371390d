"""An annotator gives nearly always the same answer, and the others do not.

## What it does
Looks for annotators of whose votes 95 % or more are for the side shown first, for the side shown second
(where the data says which one that was), or for a tie. One is reported when the votes of the others make
that many so unlikely that among all annotators it happens once in a hundred sets (exact binomial).

## Why is this bad?
The votes say nothing about the answers: somebody clicked through, or a tool filled in its default. They
drown the votes of the others, and in pairs with a single vote they are the label.

## Example
```csv
prompt,answer_left,answer_right,ann1,ann2,ann3
Name a colour.,Blue.,Seven.,left,left,left
Name a fruit.,Six.,Fig.,right,right,left
Name a city.,Rome.,Five.,left,left,left
Name a river.,Four.,Nile.,right,right,left
Name a bird.,Wren.,Three.,left,left,left
Name a tree.,Two.,Oak.,right,right,left
Name a metal.,Tin.,One.,left,left,left
Name a sea.,Ten.,Aral.,right,right,left
Name a month.,May.,Nine.,left,left,left
Name a day.,Eight.,Monday.,right,right,left
```

## Fix
None. Leave these votes out at the source, and convert again.
"""

from __future__ import annotations

import polars as pl

from prefdata.ballots import ballots
from prefdata.checks import Evidence, set_rule
from prefdata.expressions import EXCERPT

TIE = "0"
ANSWERS = {"1": "for the side shown first", "-1": "for the side shown second", TIE: "for a tie"}
CONSTANT = 0.95  # share of the votes
CHANCE = 0.01  # that a set whose annotators are all alike has a finding


@set_rule("PD307", "constant-annotator", level="warning")
def constant_annotator(data: Evidence) -> pl.DataFrame:
    """Returns one finding an annotator, about the whole set; `value` is the share."""
    says, shown = pl.col("says"), pl.col("shown")
    tallies = (
        data.once(ballots)
        .group_by("annotator")
        .agg(
            says.count().alias("votes"),
            ((says == 0) | shown.is_not_null()).sum().alias("placed"),
            (shown == 1).sum().alias("1"),
            (shown == -1).sum().alias("-1"),
            (says == 0).sum().alias(TIE),
        )
    )
    found = [_constant(tallies, answer, said) for answer, said in ANSWERS.items()]
    return pl.concat(found).sort("message")


def _constant(tallies: pl.DataFrame, answer: str, said: str) -> pl.DataFrame:
    """Returns the annotators who give this answer nearly always, unlike the others."""
    from scipy.stats import binom

    of = "votes" if answer == TIE else "placed"  # whose place is unknown may still be no tie
    votes, same = pl.col(of), pl.col(answer)
    usual = (same.sum() - same) / (votes.sum() - votes)
    suspects = (
        tallies.filter(votes > 0)
        .with_columns(share=same / votes, usual=usual)
        .filter(
            pl.col("annotator").is_not_null() & (pl.col("share") >= CONSTANT) & usual.is_finite()
        )
    )
    alike = binom.sf(suspects[answer] - 1, suspects[of], suspects["usual"])
    limit = CHANCE / (len(ANSWERS) * max(1, tallies.height))
    return suspects.filter(pl.Series(alike < limit, dtype=pl.Boolean)).select(
        index=pl.lit(None, pl.UInt32),
        value="share",
        message=pl.format(
            f"annotator '{{}}': {{}} of {{}} votes are {said}, {{}}% of those of the others",
            pl.col("annotator").str.head(EXCERPT),
            same,
            votes,
            (100 * pl.col("usual")).round(1),
        ),
    )
