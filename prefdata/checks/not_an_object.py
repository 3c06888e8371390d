"""A record is a list, a text or a number, not an object with named fields.

## What it does
Reports a line that is valid JSON without being an object.

## Why is this bad?
Without field names nothing says which text is the prompt and which answer is the better one; to go
by position would be a guess.

## Example
```jsonl
["Name a colour.", "Blue.", "Seven."]
```

## Fix
None. Write objects, such as `{"prompt": "...", "chosen": "...", "rejected": "..."}`.
"""

from __future__ import annotations

from prefdata.checks import read_rule

read_rule("PD002", "not-an-object", module=__name__)
