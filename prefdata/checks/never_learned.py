"""In no evaluation did the model come to prefer chosen.

## What it does
With `--scores FILE` that holds at least `evaluations` evaluations of a pair while a model was trained
on it, lists the pair if the model never moved further towards chosen than towards rejected: the
hard-to-learn corner of dataset cartography (Swayamdipta et al. 2020).

## Why is this bad?
Pairs which are not learnt although everything else is are often labelled wrong, contradict many
others, or ask for more than the model can (Gao et al. 2025). They pull the others back.

## Example
With `--scores FILE`, where FILE is
```tsv
row	step	chosen_logps	rejected_logps	ref_chosen_logps	ref_rejected_logps
1	10	-29	-32	-30	-30
1	20	-28	-35	-30	-30
1	30	-27	-40	-30	-30
2	10	-31	-29	-30	-30
2	20	-33	-29	-30	-30
2	30	-34	-28	-30	-30
```
the second of these is listed:
```jsonl
{"prompt": "Name a colour.", "chosen": "Blue.", "rejected": "Seven."}
{"prompt": "Name a fruit.", "chosen": "Seven.", "rejected": "Fig."}
```

## Fix
None. Read them first; `margin-against-label` says which of them look like labels the wrong way round.
"""

from __future__ import annotations

import polars as pl
from msgspec import Struct

from prefdata.checks import Evidence, set_rule
from prefdata.shortcuts.learning import learning_map


class Settings(Struct, frozen=True):
    """Which pairs are listed.

    Attributes:
        beta: DPO's temperature: nats of margin times it are log-odds.
        evaluations: that a pair must have been through.
    """

    beta: float = 0.1
    evaluations: int = 3


@set_rule("PD334", "never-learned", level="info", needs="scores", settings=Settings)
def never_learned(data: Evidence, settings: Settings) -> pl.DataFrame:
    """Returns the pairs that were never right; `value` is the mean probability of the label."""
    never = data.once(learning_map, settings.beta).filter(
        (pl.col("evaluations") >= settings.evaluations) & (pl.col("correctness") == 0)
    )
    return never.select(
        "index",
        value="confidence",
        message=pl.format(
            "in none of {} evaluations did the model prefer chosen (mean probability {})",
            "evaluations",
            pl.col("confidence").round(3),
        ),
    )
