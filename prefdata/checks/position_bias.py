"""The side that is shown first wins too often, or not often enough.

## What it does
Measures in how many pairs the annotator preferred the side that was shown first, where the data says
which one that was (`chosen_first`), and in how many the other. The rule is broken when the whole 95 %
interval (Wilson) of the larger share lies above the limit; the message gives the exact two-sided
binomial p of one half. Where votes have names, it counts the annotators who lean the same way.

## Why is this bad?
The order in which two answers are shown says nothing about them. People in a hurry, and most models
that judge, prefer one place all the same, and every label that the place has decided is noise.

## Example
```csv
prompt,answer_left,answer_right,label
Name a colour.,Blue.,Seven.,left
Name a fruit.,Fig.,Six.,left
Name a city.,Rome.,Five.,left
Name a river.,Nile.,Four.,left
Name a bird.,Wren.,Three.,left
Name a tree.,Oak.,Two.,left
Name a metal.,Tin.,One.,left
Name a sea.,Aral.,Ten.,left
```

## Fix
None. Show both orders, and keep the pairs on which the answer is the same; or accept it:
`rules.position-bias = { max = 0.55 }`.
"""

from __future__ import annotations

import polars as pl

from prefdata.ballots import ballots
from prefdata.checks import Estimate, Evidence, dataset_rule
from prefdata.stats.intervals import simultaneous_z, wilson


@dataset_rule("PD309", "position-bias", level="warning", limit=0.52)
def position_bias(data: Evidence) -> Estimate | None:
    """Returns the share of pairs won by the place that wins more of them."""
    from scipy.stats import binomtest

    won = data.pairs["chosen_first"].drop_nulls()
    if won.is_empty():
        return None
    pairs, first = len(won), int(won.sum())
    place, hits = ("first", first) if 2 * first >= pairs else ("second", pairs - first)
    chance = binomtest(hits, pairs).pvalue
    message = (
        f"the side shown {place} is chosen in {{}} of {pairs:,} pairs, p = {chance:.1g}"
        f"{_leaning(data.once(ballots), place)}"
    )
    return Estimate(hits / pairs, *wilson(hits, pairs), message)


def _leaning(votes: pl.DataFrame, place: str) -> str:
    """Returns how many annotators prefer a place more than chance would, all of them tested at once."""
    hit = pl.col("shown") == (1 if place == "first" else -1)
    tallies = (
        votes.filter((pl.col("shown") != 0) & pl.col("annotator").is_not_null())
        .group_by("annotator")
        .agg(hits=hit.sum(), votes=pl.len())
    )
    if tallies.is_empty():
        return ""
    z = simultaneous_z(tallies.height)
    leaning = sum(
        wilson(hits, cast, z)[0] > 0.5 for hits, cast in tallies.select("hits", "votes").rows()
    )
    return f"; {leaning} of {tallies.height} annotators lean that way"
