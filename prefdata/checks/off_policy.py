"""The model would hardly have written the chosen answer.

## What it does
With `--scores FILE`, the per-pair record of a run of prefalign with its token counts, compares the
model's perplexity on a token of chosen with the median of the set, and lists the pairs where it is
more than `times` as high. `perplexity` names another yardstick, such as that of the model's own
samples.

## Why is this bad?
Methods that learn from fixed pairs work best where the answers are ones that the model could have
given (Tajwar et al. 2024, arXiv:2404.14367). An answer far from that is imitated at the cost of
everything else, and lowers the probability of both sides. It may also belong to another prompt.

## Example
With `--scores FILE`, where FILE is
```tsv
row	chosen_logps	rejected_logps	ref_chosen_logps	ref_rejected_logps	chosen_tokens
1	-10	-20	-10	-20	10
2	-11	-20	-10	-20	10
3	-40	-20	-10	-20	10
```
the last of these is listed:
```jsonl
{"prompt": "Name a colour.", "chosen": "Blue.", "rejected": "Seven."}
{"prompt": "Name a fruit.", "chosen": "Fig.", "rejected": "Seven."}
{"prompt": "Name a city.", "chosen": "Xq7 zz vrrt.", "rejected": "Rome."}
```

## Fix
None. Where many are listed, sample answers from the model itself, or weigh pairs by how likely they
are (`method.wpo` of prefalign, arXiv:2406.11827).
"""

from __future__ import annotations

import polars as pl
from msgspec import Struct

from prefdata.checks import Evidence, set_rule
from prefdata.shortcuts.learning import learning_map


class Settings(Struct, frozen=True):
    """Which pairs are listed.

    Attributes:
        times: as high as the yardstick.
        perplexity: the yardstick, of one token; the set's median if not given.
    """

    times: float = 5.0
    perplexity: float | None = None


@set_rule("PD335", "off-policy", level="info", needs="scores", settings=Settings)
def off_policy(data: Evidence, settings: Settings) -> pl.DataFrame:
    """Returns the pairs whose chosen side is unlikely; `value` is its perplexity."""
    judged = data.once(learning_map)
    usual = settings.perplexity or pl.col("perplexity").median()
    unlikely = judged.with_columns(usual=usual).filter(
        pl.col("perplexity") > settings.times * pl.col("usual")
    )
    return unlikely.select(
        "index",
        value="perplexity",
        message=pl.format(
            "chosen has perplexity {} a token, {} times the usual {}",
            pl.col("perplexity").round(1),
            (pl.col("perplexity") / pl.col("usual")).round(1),
            pl.col("usual").round(1),
        ),
    )
