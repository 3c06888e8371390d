"""A record has fields that no known layout has.

## What it does
Reports a record whose fields and types fit none of the layouts that `prefdata formats` lists. If no
record of a file does, nothing is read of it: exit code 2.

## Why is this bad?
The column names of a table do not say which answer is better. Trainers that go by names fail with
`KeyError: 'chosen'`, or take a neighbouring column.

## Example
```jsonl
{"question": "Name a colour.", "good": "Blue.", "bad": "Seven."}
```

## Fix
None. Say what the columns mean: `--map prompt=question,chosen=good,rejected=bad`.
"""

from __future__ import annotations

from prefdata.checks import read_rule

read_rule("PD005", "unknown-format", module=__name__)
