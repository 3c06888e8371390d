"""The label can be told without reading: from length, layout, openers or single words.

## What it does
Fits a logistic regression on the difference of the two sides' surface features, once for each family
(length, markdown, opener, closer, refusals, first person, questions, white space, end-of-text marks,
characters; words and pairs of words by tf-idf) and for all together, and measures how often it is
right on prompts that it has not seen. The rule is broken when the whole 95 % interval of the best one
lies above the limit. Of a large set 20,000 pairs are looked at, and 1,000 characters of their words.

## Why is this bad?
What so simple a model learns, yours learns first: the loss falls, held-out accuracy is high, and
what was learnt is to begin with a capital letter, or to write lists. A share of about 0.6 is usual;
people do like longer answers. Above 0.8 the two sides most likely come from two different places.

## Example
```jsonl
{"prompt": "Name a colour.", "chosen": "Blue.", "rejected": " Red."}
{"prompt": "Name a fruit.", "chosen": "Apple.", "rejected": " Plum."}
{"prompt": "Name a city.", "chosen": "Paris.", "rejected": " Rome."}
{"prompt": "Name a river.", "chosen": "The Nile.", "rejected": " The Rhine."}
{"prompt": "Name a bird.", "chosen": "A wren.", "rejected": " An owl."}
{"prompt": "Name a tree.", "chosen": "An oak.", "rejected": " A fir."}
{"prompt": "Name a metal.", "chosen": "Gold.", "rejected": " Iron."}
{"prompt": "Name a planet.", "chosen": "Mars.", "rejected": " Venus."}
{"prompt": "Name a month.", "chosen": "May.", "rejected": " June."}
{"prompt": "Name a sport.", "chosen": "Chess.", "rejected": " Judo."}
{"prompt": "Name a tool.", "chosen": "A saw.", "rejected": " A file."}
{"prompt": "Name a cheese.", "chosen": "Brie.", "rejected": " Feta."}
{"prompt": "Name a fish.", "chosen": "A carp.", "rejected": " A pike."}
{"prompt": "Name a dance.", "chosen": "Tango.", "rejected": " Waltz."}
{"prompt": "Name a poet.", "chosen": "Basho.", "rejected": " Rumi."}
{"prompt": "Name a number.", "chosen": "Nine.", "rejected": " Four."}
```

## Fix
None. Look at what `prefdata report` says of the families, and take away what gives the sides away: the
white space, a template's remains, a phrase that one model begins with. Or accept it:
`rules.surface-predictable = { max = 0.9 }`.
"""

from __future__ import annotations

import polars as pl

from prefdata.checks import Estimate, Evidence, dataset_rule
from prefdata.shortcuts.probe import ALL, SURFACE, shortcut_accuracies

_NAMED = 3  # families in the message


@dataset_rule("PD330", "surface-predictable", level="warning", limit=0.8)
def surface_predictable(data: Evidence) -> Estimate | None:
    """Returns the accuracy of the features that predict best, by the lower end of the interval."""
    found = data.once(shortcut_accuracies)
    if found.is_empty():
        return None
    joint = pl.col("family").is_in([ALL, SURFACE])
    best = found.sort("low", joint, "family", descending=[True, False, False]).row(0)
    family, accuracy, low, high = best
    what = {ALL: "surface and words", SURFACE: "all of the surface"}.get(family, family)
    rest = found.filter(~joint & (pl.col("family") != family)).head(_NAMED)
    others = ", ".join(
        f"{name} {share:.0%}" for name, share in rest.select("family", "accuracy").rows()
    )
    return Estimate(
        accuracy, low, high, f"{{}} of labels can be told from {what} alone; next are {others}"
    )
