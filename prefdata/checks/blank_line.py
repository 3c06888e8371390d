"""A line is empty.

## What it does
Names, in a manifest, the lines of a JSON Lines or CSV file that hold nothing. They are skipped and
counted, and are no finding.

## Why is this bad?
It is not, mostly: a file often ends in one. Many of them can mean that rows were blanked out.

## Example
```jsonl
{"prompt": "Name a colour.", "chosen": "Blue.", "rejected": "Seven."}

```

## Fix
None needed.
"""

from __future__ import annotations

from prefdata.checks import read_rule

read_rule("PD010", "blank-line", module=__name__, level="info")
