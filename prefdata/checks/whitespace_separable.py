"""White space tells chosen from rejected.

## What it does
Counts the pairs in which exactly one side begins with white space, and those in which exactly one
ends with it, and measures in how many pairs it is always the same side. The rule is broken when the
whole 95 % interval (Wilson) lies above the limit.

## Why is this bad?
One side went through a tool that trims, the other did not. A model needs a single token to tell
them apart: the loss falls to 0 within a few steps, and nothing else is learnt.

## Example
```jsonl
{"prompt": "Name a colour.", "chosen": "Blue.", "rejected": " Seven."}
{"prompt": "Name a fruit.", "chosen": "Apple.", "rejected": " Six."}
{"prompt": "Name a city.", "chosen": "Paris.", "rejected": " Five."}
{"prompt": "Name a river.", "chosen": "The Nile.", "rejected": " Four."}
```

## Fix
None. Trim both sides at the source, or neither; chat templates mostly trim by themselves.
"""

from __future__ import annotations

from prefdata.checks import Estimate, Evidence, dataset_rule
from prefdata.stats.intervals import wilson
from prefdata.texts.messages import first_text, last_text


@dataset_rule("PD234", "whitespace-separable", level="warning", limit=0.5)
def whitespace_separable(data: Evidence) -> Estimate | None:
    """Returns the share of pairs in which one side alone has white space at one edge."""
    if data.pairs.is_empty():
        return None
    edges = (("begins", first_text, r"\A\s"), ("ends", last_text, r"\s\z"))
    sides = (("chosen", "rejected"), ("rejected", "chosen"))
    counts = data.pairs.select(
        (text(side).str.contains(edge) & ~text(other).str.contains(edge))
        .sum()
        .alias(f"{side} alone {verb} with white space in {{}} of pairs")
        for verb, text, edge in edges
        for side, other in sides
    ).row(0, named=True)
    message, hits = max(counts.items(), key=lambda item: item[1])
    low, high = wilson(hits, data.pairs.height)
    return Estimate(hits / data.pairs.height, low, high, message)
