"""A label means none of the choices.

## What it does
Reports a record whose vote, winner or label is not one of the values that its layout, or
`--label-values`, gives a meaning to, or has none at all.

## Why is this bad?
A value such as "garbage", 3 or an empty cell says nothing about which side is better. To take it
for a tie or for the second side invents a judgement.

## Example
```jsonl
{"prompt": "Name a colour.", "completion": "Blue.", "label": true}
{"prompt": "Name a number.", "completion": "Blue.", "label": "good"}
```

## Fix
None. Say what the values mean with `--label-values A,B,TIE`, or mend the label at the source.
"""

from __future__ import annotations

from prefdata.checks import read_rule

read_rule("PD313", "unknown-label", module=__name__)
