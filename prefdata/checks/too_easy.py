"""A model was sure of the label in every evaluation.

## What it does
With `--scores FILE`, the per-pair record of a run of prefalign, lists the pairs whose probability,
sigmoid(`beta` x implicit margin), is at least `least` on average over the evaluations in FILE: the
easy-to-learn corner of dataset cartography (Swayamdipta et al. 2020).

## Why is this bad?
It need not be. The loss of such a pair is almost flat, so it costs as much as another one and teaches
little; and what is told so easily is often a refusal, a cut-off text or a mark that only one side has.
A set of nothing else is learnt in a few steps. Papers disagree whether to keep the large margins
(arXiv:2502.14560) or the small ones (arXiv:2508.04149).

## Example
With `--scores FILE`, where FILE is
```tsv
row	step	chosen_logps	rejected_logps	ref_chosen_logps	ref_rejected_logps
1	10	-10	-60	-30	-30
1	20	-5	-90	-30	-30
2	10	-29	-31	-30	-30
2	20	-28	-33	-30	-30
```
the first of these is listed:
```jsonl
{"prompt": "Name a colour.", "chosen": "Blue.", "rejected": "I cannot help with that."}
{"prompt": "Name a fruit.", "chosen": "Fig, which is sweet.", "rejected": "Fig."}
```

## Fix
None. To train without them: `prefdata curate --scores FILE` with a plan that has `{step: filter, column:
confidence, max: 0.95, missing: keep}`.
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
        least: mean probability of the label.
    """

    beta: float = 0.1
    least: float = 0.95


@set_rule("PD333", "too-easy", level="info", needs="scores", settings=Settings)
def too_easy(data: Evidence, settings: Settings) -> pl.DataFrame:
    """Returns the pairs the model is sure of; `value` is the mean probability of the label."""
    sure = data.once(learning_map, settings.beta).filter(
        (pl.col("confidence") >= settings.least) & (pl.col("correctness") == 1)
    )
    return sure.select(
        "index",
        value="confidence",
        message=pl.format(
            "the model gives the label probability {} over {} evaluation(s)",
            pl.col("confidence").round(3),
            "evaluations",
        ),
    )
