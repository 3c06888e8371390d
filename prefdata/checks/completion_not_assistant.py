"""A completion begins with a turn that is not the assistant's.

## What it does
Reports a record whose chosen or rejected side opens with a user, system or tool message.

## Why is this bad?
A trainer counts every token after the prompt as the model's own, so the model is trained to write
the user's turn. Mostly a part of the prompt has been stored with the answer.

## Example
```jsonl
{"prompt": [{"role": "system", "content": "Be brief."}], "chosen": [{"role": "user", "content": "Name a colour."}, {"role": "assistant", "content": "Blue."}], "rejected": [{"role": "assistant", "content": "Seven."}]}
```

## Fix
None. Move the turns that both sides share into the prompt.
"""

from __future__ import annotations

from prefdata.checks import read_rule

read_rule("PD118", "completion-not-assistant", module=__name__)
