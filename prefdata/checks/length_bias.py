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

from prefdata.checks import Estimate, Evidence, dataset_rule
from prefdata.expressions import characters
from prefdata.stats.intervals import wilson


@dataset_rule("PD308", "length-bias", level="warning", limit=0.6)
def length_bias(data: Evidence) -> Estimate | None:
    """Returns the share of pairs in which the side that is mostly longer is longer."""
    pairs = data.pairs
    if pairs.is_empty():
        return None
    chosen, rejected = characters("chosen"), characters("rejected")
    longer, shorter = pairs.select(
        longer=(chosen > rejected).sum(), shorter=(chosen < rejected).sum()
    ).row(0)
    side, hits = ("chosen", longer) if longer >= shorter else ("rejected", shorter)
    low, high = wilson(hits, pairs.height)
    return Estimate(hits / pairs.height, low, high, f"{side} is longer in {{}} of pairs")
