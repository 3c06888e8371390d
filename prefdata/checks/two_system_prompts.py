"""A record has a system column and another system message.

## What it does
Reports a record whose column `system` and whose first message are two different system prompts.

## Why is this bad?
Only one of them was in force when the answers were written. Most chat templates render one system
message and raise on, or drop, the other.

## Example
```jsonl
{"system": "Be brief.", "prompt": [{"role": "system", "content": "Be exact."}, {"role": "user", "content": "Name a colour."}], "chosen": [{"role": "assistant", "content": "Blue."}], "rejected": [{"role": "assistant", "content": "Seven."}]}
```

## Fix
None. Keep the one that was used, at the source.
"""

from __future__ import annotations

from prefdata.checks import read_rule

read_rule("PD114", "two-system-prompts", module=__name__)
