"""A conversation tree is not released for training.

## What it does
Reports an OASST tree whose `tree_state` is anything but `ready_for_export`.

## Why is this bad?
Such trees were still growing, or were aborted by moderators as low grade or spam; their replies are
not fully ranked and may be what the project took out on purpose.

## Example
```jsonl
{"message_tree_id": "t", "tree_state": "growing", "prompt": {"text": "Name a colour.", "role": "prompter", "replies": [{"text": "Blue.", "role": "assistant", "rank": 0}, {"text": "Seven.", "role": "assistant", "rank": 1}]}}
```

## Fix
None. Leave the tree out.
"""

from __future__ import annotations

from prefdata.checks import read_rule

read_rule("PD117", "tree-not-ready", module=__name__)
