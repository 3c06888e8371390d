"""A value that should be text is a number, a list or true or false.

## What it does
Reports a record in which a prompt, a completion or a message's content has another JSON type.

## Why is this bad?
Casting it makes a plausible text of it ("True", "0.0") that nobody wrote. Such values are mostly
answers that a spreadsheet or YAML has interpreted.

## Example
```jsonl
{"prompt": "Name a colour.", "chosen": "Blue.", "rejected": "Seven."}
{"prompt": "Is water wet?", "chosen": true, "rejected": "No."}
```

## Fix
None. Write the value as text in the source.
"""

from __future__ import annotations

from prefdata.checks import read_rule

read_rule("PD103", "non-text", module=__name__)
