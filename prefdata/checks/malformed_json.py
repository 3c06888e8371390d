"""A line or record is not valid JSON.

## What it does
Reports a line of a JSON Lines file, or an element of a JSON array, that no JSON parser can read,
with the column of the first fault. The row is set aside with its raw bytes; the other rows are
read.

## Why is this bad?
Most loaders stop at the first such line, or drop the rest of the file without a word. It is usually
a line cut off by a full disk or a crashed writer, or Python's `NaN` and single quotes.

## Example
```jsonl
{"prompt": "Name a colour.", "chosen": "Blue.", "rejected":
```

## Fix
None. Mend the line in the source; `prefdata convert` keeps it in `OUT.quarantine.jsonl`.
"""

from __future__ import annotations

from prefdata.checks import read_rule

read_rule("PD001", "malformed-json", module=__name__)
