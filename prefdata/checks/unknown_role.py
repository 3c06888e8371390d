"""A message has a role that chat templates do not know.

## What it does
Reports a message whose role is none of system, user, assistant, tool, developer, nor one of the
names that the layout's page maps to them (`human` and `gpt`, for example).

## Why is this bad?
Some templates raise on an unknown role; others leave the whole message out, and the model is
trained on an answer to a question it never saw.

## Example
```jsonl
{"prompt": [{"role": "narrator", "content": "Name a colour."}], "chosen": [{"role": "assistant", "content": "Blue."}], "rejected": [{"role": "assistant", "content": "Seven."}]}
```

## Fix
None. Rename the role in the source.
"""

from __future__ import annotations

from prefdata.checks import read_rule

read_rule("PD105", "unknown-role", module=__name__)
