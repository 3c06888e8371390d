r"""The two transcripts differ before their last turn.

## What it does
Reports a record that gives two whole conversations which do not share everything up to the final
answer.

## Why is this bad?
A pair compares two completions of one prompt. Where the conversations part earlier there is no
common prompt; cutting at the first difference makes prompts that end inside an answer.

## Example
```jsonl
{"chosen": "\n\nHuman: Name a colour.\n\nAssistant: Blue.", "rejected": "\n\nHuman: Name a number.\n\nAssistant: Seven."}
```

## Fix
None. The row cannot become a pair; `prefdata convert` sets it aside.
"""

from __future__ import annotations

from prefdata.checks import read_rule

read_rule("PD108", "transcripts-diverge", module=__name__)
