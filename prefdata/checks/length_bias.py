"""One side is the longer one too often.

## What it does
Measures in how many pairs chosen is longer than rejected, and in how many it is shorter, in
characters. The rule is broken when the whole 95 % interval (Wilson) of the larger share lies above
the limit, so that a handful of pairs proves nothing.

## Why is this bad?
Length is the easiest thing to learn: a model that only writes more, or less, wins these pairs.
DPO's summed log-probs amplify it. Compare the accuracy on pairs where the longer side is chosen
with that where it is not (`prefalign compare` prints both).

## Example
```jsonl
{"prompt": "Name a colour.", "chosen": "Blue, like the sea.", "rejected": "Seven."}
{"prompt": "Name a fruit.", "chosen": "Apple, for example.", "rejected": "Six."}
{"prompt": "Name a city.", "chosen": "Paris, in France.", "rejected": "Five."}
{"prompt": "Name a river.", "chosen": "The Nile, in Egypt.", "rejected": "Four."}
{"prompt": "Name a bird.", "chosen": "The wren, a small one.", "rejected": "Three."}
{"prompt": "Name a tree.", "chosen": "The oak, in Europe.", "rejected": "Two."}
```

## Fix
None. Balance the set, or accept it: `rules.length-bias = { max = 0.75 }`.
"""

from __future__ import annotations

import math

import polars as pl

from prefdata.checks import Estimate, dataset_rule
from prefdata.expressions import characters

Z95 = 1.959963984540054


def wilson(hits: int, total: int) -> tuple[float, float]:
    """Returns the 95 % Wilson score interval of a share (Wilson 1927, eq. 12); `total` > 0."""
    share, z2 = hits / total, Z95**2
    centre = (share + z2 / (2 * total)) / (1 + z2 / total)
    spread = math.sqrt(share * (1 - share) / total + z2 / (4 * total**2)) * Z95 / (1 + z2 / total)
    return max(0.0, centre - spread), min(1.0, centre + spread)


@dataset_rule("PD308", "length-bias", level="warning", limit=0.6)
def length_bias(pairs: pl.DataFrame) -> Estimate | None:
    """Returns the share of pairs in which the side that is mostly longer is longer."""
    if pairs.is_empty():
        return None
    chosen, rejected = characters("chosen"), characters("rejected")
    longer, shorter = pairs.select(
        longer=(chosen > rejected).sum(), shorter=(chosen < rejected).sum()
    ).row(0)
    side, hits = ("chosen", longer) if longer >= shorter else ("rejected", shorter)
    low, high = wilson(hits, pairs.height)
    return Estimate(hits / pairs.height, low, high, f"{side} is longer")
