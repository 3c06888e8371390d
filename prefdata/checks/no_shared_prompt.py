"""The record has no prompt, and its two sides share none.

## What it does
Reports a record without a prompt field whose chosen and rejected begin differently, or whose shared
beginning lacks the text given with `--prompt-ends-with`.

## Why is this bad?
Two texts without a common question are no pair: nothing says what they answer, and a trainer would
compare them after an empty prompt.

## Example
```jsonl
{"chosen": "Blue is a colour.", "rejected": "Seven is a number."}
```

## Fix
None. Give the prompt in its own field, or name its column: `--map
prompt=COLUMN,chosen=chosen,rejected=rejected`.
"""

from __future__ import annotations

from prefdata.checks import read_rule

read_rule("PD113", "no-shared-prompt", module=__name__)
