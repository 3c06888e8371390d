"""A column that should hold a list holds something else.

## What it does
Reports a record in which the column mapped to completions, scores or models is no list and no JSON
text of one.

## Why is this bad?
A ranking needs as many scores as completions. To take a single text apart at commas or line breaks
would cut answers in pieces.

## Example
With `--map prompt=question,completions=answers,scores=ratings`:
```jsonl
{"question": "Name a colour.", "answers": ["Blue.", "Seven."], "ratings": 5}
```

## Fix
None. Write a list, or map single columns with `--map prompt=question,chosen=good,rejected=bad`.
"""

from __future__ import annotations

from prefdata.checks import read_rule

read_rule("PD119", "not-a-list", module=__name__)
