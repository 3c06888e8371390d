"""A ranking has more completions than scores, or fewer.

## What it does
Reports a record whose lists of completions, scores and models have different lengths.

## Why is this bad?
Which score belongs to which completion is no longer known. Pairing them up to the shorter list
gives every completion after the gap its neighbour's score.

## Example
With `--map prompt=question,completions=answers,scores=ratings`:
```jsonl
{"question": "Name a colour.", "answers": ["Blue.", "Seven.", "Red."], "ratings": [5, 1]}
```

## Fix
None. Write one score for each completion in the source; null where there is none.
"""

from __future__ import annotations

from prefdata.checks import read_rule

read_rule("PD120", "lengths-differ", module=__name__)
