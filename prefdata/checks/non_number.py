"""A rank or score is no number.

## What it does
Reports a record whose rank, score or rating is a text or of another type where a number must stand.

## Why is this bad?
The number decides which side is chosen. "10" sorts before "9" as text, so to take it as it comes
turns preferences around.

## Example
```jsonl
{"message_tree_id": "t", "tree_state": "ready_for_export", "prompt": {"text": "Name a colour.", "role": "prompter", "replies": [{"text": "Blue.", "role": "assistant", "rank": "0"}, {"text": "Seven.", "role": "assistant", "rank": 1}]}}
```

## Fix
None. Write numbers in the source.
"""

from __future__ import annotations

from prefdata.checks import read_rule

read_rule("PD115", "non-number", module=__name__)
