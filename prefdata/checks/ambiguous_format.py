"""A record can be read in several ways, and they mean different things.

## What it does
Reports a record that two layouts recognise on equal evidence, or whose label has no meaning without
being told, such as 0/1 against 1/2.

## Why is this bad?
The wrong reading swaps chosen and rejected in every row. Training on it works, and teaches the
opposite.

## Example
```jsonl
@AMBIG@
```

## Fix
None. Name the layout with `--from NAME`, or map the columns with `--map` and `--label-values`.
"""

from __future__ import annotations

from prefdata.checks import read_rule

read_rule("PD006", "ambiguous-format", module=__name__)
