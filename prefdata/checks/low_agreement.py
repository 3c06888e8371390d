"""The annotators hardly agree more often than by chance.

## What it does
Measures Krippendorff's alpha over the votes on pairs and ties: 1 is full agreement, 0 is what chance
would give, for choices of the first side, the second side or a tie. Which side is which does not
matter. Items with one vote do not count, and less than ten others prove nothing. The 95 % interval is a bootstrap over items, and the rule is
broken when all of it lies below the limit.

## Why is this bad?
Where annotators disagree, the majority of three is often the accident of who was asked. No model can
be right about such labels more often than the annotators are with each other. It may also be that
the question has no better answer: look at the pairs with split votes before blaming the annotators.

## Example
```csv
prompt,answer_a,answer_b,ann1,ann2,ann3
Name a colour.,Blue.,Seven.,A,B,A
Name a fruit.,Fig.,Six.,B,A,A
Name a city.,Rome.,Five.,A,A,B
Name a river.,Nile.,Four.,A,B,A
Name a bird.,Wren.,Three.,B,A,A
Name a tree.,Oak.,Two.,A,A,B
Name a metal.,Tin.,One.,A,B,A
Name a sea.,Aral.,Ten.,B,A,A
Name a month.,May.,Nine.,A,A,B
Name a day.,Monday.,Eight.,A,B,A
```

## Fix
None. Clearer guidelines, more votes a pair, or fewer pairs: `--min-agreement 0.9` keeps those on which
nearly all agree. Or accept it: `rules.low-agreement = { min = 0.1 }`.
"""

from __future__ import annotations

import math

import polars as pl

from prefdata.ballots import ballots
from prefdata.checks import Estimate, Evidence, dataset_rule
from prefdata.stats.agreement import alpha_interval, krippendorff_alpha

MIN_ITEMS = 10  # a bootstrap of fewer items is no interval


@dataset_rule("PD305", "low-agreement", level="warning", limit=0.2, bound="min")
def low_agreement(data: Evidence) -> Estimate | None:
    """Returns Krippendorff's alpha of the votes, or None where too few items have two."""
    votes = data.once(ballots)
    items = votes.group_by("item").agg(
        (pl.col("says") == value).sum().cast(pl.Int64).alias(str(value)) for value in (-1, 0, 1)
    )
    counts = items.filter(pl.sum_horizontal("-1", "0", "1") > 1).drop("item").to_numpy()
    if len(counts) < MIN_ITEMS:
        return None
    alpha = krippendorff_alpha(counts, "nominal", exchangeable=True)
    if math.isnan(alpha):
        return None
    low, high = alpha_interval(counts, "nominal", exchangeable=True)
    message = f"on {len(counts):,} items with two votes or more, Krippendorff's alpha is {{}}"
    return Estimate(alpha, low, high, message, percent=False)
