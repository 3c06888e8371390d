"""A column has another type than the canonical schema says.

## What it does
Reports a row that was written as canonical pairs and then changed so that a column, such as `row`
or `chosen_score`, has the wrong type.

## Why is this bad?
The schema is what every tool after this one relies on; a text in a score column fails there, far
from its cause.

## Example
```jsonl
{"id": "a", "prompt_id": "b", "prompt": [{"role": "user", "content": "Name a colour."}], "chosen": [{"role": "assistant", "content": "Blue."}], "rejected": [{"role": "assistant", "content": "Seven."}], "source": "votes", "file": "votes.jsonl", "row": 1, "chosen_score": "good", "meta": "{}"}
```

## Fix
None. `prefdata schema pair` prints the types; convert the original again rather than editing the
result.
"""

from __future__ import annotations

from prefdata.checks import read_rule

read_rule("PD116", "wrong-type", module=__name__)
