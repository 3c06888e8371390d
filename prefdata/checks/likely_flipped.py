"""The rest of the set says that rejected is the better side.

## What it does
Fits the probe of `surface-predictable` on the other pairs, and lists those whose label it holds for
wrong: the probability of the other label is at least `least`, and at least what the probe gives to
labels on average (confident learning, Northcutt et al. 2021). At most `most` pairs are listed, the
most doubtful ones. Nothing is listed where the probe is no better than chance.

The probe does not understand what it reads. On a set in which people prefer the longer answer it will
doubt the pairs in which they did not, and most of those are right: this is a list to review. With
10 % of labels flipped in real sets, from 2 in 10 to 9 in 10 of its most doubtful pairs are flipped
ones, the more the easier the label is to predict.

## Why is this bad?
A label the wrong way round teaches the opposite of what was meant; with 10 % of them a model loses
much of what the set could have taught. Swapped columns, an inverted score or a hasty annotator make
such pairs.

## Example
```jsonl
{"prompt": "Name a colour.", "chosen": "Blue, like the sea.", "rejected": "No."}
{"prompt": "Name a fruit.", "chosen": "Apple, like the pie.", "rejected": "No."}
{"prompt": "Name a city.", "chosen": "Paris, like the film.", "rejected": "No."}
{"prompt": "Name a river.", "chosen": "Nile, like the reed.", "rejected": "No."}
{"prompt": "Name a bird.", "chosen": "No.", "rejected": "Wren, like the song."}
{"prompt": "Name a tree.", "chosen": "Oak, like the table.", "rejected": "No."}
{"prompt": "Name a metal.", "chosen": "Gold, like the ring.", "rejected": "No."}
{"prompt": "Name a planet.", "chosen": "Mars, like the bar.", "rejected": "No."}
{"prompt": "Name a month.", "chosen": "May, like the name.", "rejected": "No."}
{"prompt": "Name a sport.", "chosen": "Chess, like the board.", "rejected": "No."}
{"prompt": "Name a tool.", "chosen": "Saw, like the verb.", "rejected": "No."}
{"prompt": "Name a cheese.", "chosen": "Brie, like the town.", "rejected": "No."}
{"prompt": "Name a fish.", "chosen": "Carp, like the verb.", "rejected": "No."}
{"prompt": "Name a dance.", "chosen": "Tango, like the song.", "rejected": "No."}
{"prompt": "Name a poet.", "chosen": "Basho, like the tree.", "rejected": "No."}
{"prompt": "Name a number.", "chosen": "Nine, like the cats.", "rejected": "No."}
```

## Fix
None: only somebody who reads both sides can tell. `rules.likely-flipped = { least = 0.9, most = 20 }`
lists fewer.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from msgspec import Struct

from prefdata.checks import Evidence, set_rule
from prefdata.shortcuts.probe import label_probabilities
from prefdata.stats.confident import doubted
from prefdata.stats.intervals import wilson


class LikelyFlipped(Struct, frozen=True):
    """Which pairs are listed.

    Attributes:
        least: least probability of the other label.
        most: number of pairs, the most doubtful first.
    """

    least: float = 0.8
    most: int = 100


@set_rule("PD331", "likely-flipped", level="info", settings=LikelyFlipped)
def likely_flipped(data: Evidence, settings: LikelyFlipped) -> pl.DataFrame:
    """Returns the pairs whose label is doubted; `value` is the probability of the other one."""
    judged = data.once(label_probabilities)
    given = judged["probability"].to_numpy()
    right = int(np.count_nonzero(given > 0.5))
    has_skill = len(given) > 0 and wilson(right, len(given))[0] > 0.5
    listed = doubted(given) & (1 - given >= settings.least) & has_skill
    pairs = judged.filter(pl.Series(listed, dtype=pl.Boolean)).join(
        data.pairs.select("index", "id"), on="index"
    )
    worst = pairs.sort("probability", "id", "index").head(settings.most)
    other = 1 - pl.col("probability")
    return worst.select(
        "index",
        value=other,
        message=pl.format(
            "going by the other pairs, rejected is the better side with probability {}",
            other.round(2),
        ),
    )
