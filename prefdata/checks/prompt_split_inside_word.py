"""The prompt can only be found by cutting a word in two.

## What it does
Reports a record that has no prompt and whose two texts begin alike and part inside a word.

## Why is this bad?
Trainers take the longest common beginning as the prompt, letter by letter: of "blue" and "black"
the prompt keeps "bl", and the model is trained to complete "bl" with "ue".

## Example
```jsonl
{"chosen": "Q: colour? A: blue", "rejected": "Q: colour? A: black"}
```

## Fix
None. Give the prompt in its own field, or say where it ends: `--prompt-ends-with "A:"`.
"""

from __future__ import annotations

from prefdata.checks import read_rule

read_rule("PD112", "prompt-split-inside-word", module=__name__)
