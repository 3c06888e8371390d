"""A model that was trained on pairs holds rejected for the better side.

## What it does
With `--scores FILE`, the per-pair record of a run of prefalign, takes each pair's implicit margin: how
much further the model moved from its reference towards chosen than towards rejected. A pair's
probability is sigmoid(`beta` x margin), its mean over the evaluations in FILE. Listed are those whose
other label is at least as probable as labels are on average (confident learning, Northcutt et al.
2021), at most `most` of them, the most doubtful first. Nothing is listed where the model orders no
more than half of the pairs right.

A model that saw a pair often enough learns even a wrong label. Scores of a model that was not trained
on these pairs, or of the first times that it saw them, say more than those of the last step: give
`pairs-train.parquet` of a run with `output.record_train: true`, which has every pair as it passed.

With a tenth of the demo's labels flipped, the record of a model of 135 million parameters ranks the
flips no better than `likely-flipped` ranks them by the texts alone (benchmarks/results.md): read both
lists.

## Why is this bad?
A label the wrong way round teaches the opposite of what was meant. The model has read both sides,
which `likely-flipped` has not.

## Example
With `--scores FILE`, where FILE is
```tsv
row	chosen_logps	rejected_logps	ref_chosen_logps	ref_rejected_logps
1	-10	-60	-30	-30
2	-12	-50	-30	-30
3	-11	-55	-30	-30
4	-13	-70	-30	-30
5	-12	-64	-30	-30
6	-14	-61	-30	-30
7	-11	-58	-30	-30
8	-70	-11	-30	-30
```
the last of these is listed:
```jsonl
{"prompt": "Name a colour.", "chosen": "Blue.", "rejected": "Seven."}
{"prompt": "Name a fruit.", "chosen": "Fig.", "rejected": "Seven."}
{"prompt": "Name a city.", "chosen": "Rome.", "rejected": "Seven."}
{"prompt": "Name a river.", "chosen": "The Nile.", "rejected": "Seven."}
{"prompt": "Name a metal.", "chosen": "Gold.", "rejected": "Seven."}
{"prompt": "Name a tree.", "chosen": "An oak.", "rejected": "Seven."}
{"prompt": "Name a dance.", "chosen": "Tango.", "rejected": "Seven."}
{"prompt": "Name a bird.", "chosen": "Seven.", "rejected": "A wren."}
```

## Fix
None: only somebody who reads both sides can tell. `rules.margin-against-label = { most = 20 }` lists
fewer. `prefdata curate --scores FILE --recipe confident` sets the tenth of the pairs aside that the
model doubted most.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from msgspec import Struct

from prefdata.checks import Evidence, set_rule
from prefdata.shortcuts.learning import learning_map
from prefdata.stats.confident import doubted
from prefdata.stats.intervals import wilson


class Settings(Struct, frozen=True):
    """Which pairs are listed.

    Attributes:
        beta: DPO's temperature: nats of margin times it are log-odds.
        most: number of pairs, the most doubtful first.
    """

    beta: float = 0.1
    most: int = 100


@set_rule("PD332", "margin-against-label", level="info", needs="scores", settings=Settings)
def margin_against_label(data: Evidence, settings: Settings) -> pl.DataFrame:
    """Returns the pairs whose label the model doubts; `value` is the probability of the other one."""
    judged = data.once(learning_map, settings.beta).drop_nulls("confidence")
    given = judged["confidence"].to_numpy()
    right = int(np.count_nonzero(given > 0.5))
    has_skill = len(given) > 0 and wilson(right, len(given))[0] > 0.5
    other = 1 - pl.col("confidence")
    return (
        judged.filter(pl.Series(doubted(given) & has_skill, dtype=pl.Boolean))
        .sort("confidence", "id", "index")
        .head(settings.most)
        .select(
            "index",
            value=other,
            message=pl.format(
                "going by the model's margins, rejected is the better side with probability {}",
                other.round(2),
            ),
        )
    )
