"""A record lacks a field that its layout needs.

## What it does
Reports a record that is recognised by its other fields but has no prompt, or lacks one of its
sides, its label or a message's role.

## Why is this bad?
A pair needs all three: a prompt, a better and a worse completion. Filling the gap with an empty
text trains the model to say nothing.

## Example
```jsonl
{"prompt": "Name a colour.", "chosen": "Blue.", "rejected": "Seven."}
{"prompt": "Name a colour.", "chosen": "Blue."}
```

## Fix
None. Complete the record in the source.
"""

from __future__ import annotations

from prefdata.checks import read_rule

read_rule("PD101", "missing-field", module=__name__)
