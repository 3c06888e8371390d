"""A text is null.

## What it does
Reports a record in which a prompt, a completion or a message's content is `null` (allowed only in a
message that makes tool calls).

## Why is this bad?
A null is a failed generation or a lost join, not an answer. Trainers stop at it with
`'NoneType' object has no attribute 'endswith'`, or write the text "None" into the training data.

## Example
```jsonl
{"prompt": "Name a colour.", "chosen": null, "rejected": "Seven."}
```

## Fix
None. Generate the text again, or remove the record from the source.
"""

from __future__ import annotations

from prefdata.checks import read_rule

read_rule("PD102", "null-text", module=__name__)
