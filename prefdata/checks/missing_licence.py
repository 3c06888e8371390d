"""A set does not say under which licence it may be used.

## What it does
Finds converted files whose manifest names no licence. Files that prefdata did not write have no
place for one and are not looked at.

## Why is this bad?
Nobody can tell later whether a model trained on it may be published or sold. The licence is known
to the person who converts the set, and lost a file later.

## Example
A set beside which this manifest stands:
```json
{"inputs": [{"file": "votes.csv", "rows": 1}], "outputs": [], "source_url": "https://acme.org/votes"}
```
```jsonl
{"prompt": "Name a colour.", "chosen": "Blue.", "rejected": "Seven."}
```

## Fix
None. Name it where the set is made: `prefdata convert votes.csv -o pairs.parquet --licence cc-by-4.0`.
"""

from __future__ import annotations

import polars as pl

from prefdata.checks import Evidence, set_rule
from prefdata.texts.messages import about_the_set


@set_rule("PD701", "missing-licence", level="info", needs="provenance")
def missing_licence(data: Evidence) -> pl.DataFrame:
    """Returns one row for each file whose manifest has no licence."""
    return about_the_set(
        f"the manifest of {file.path} names no licence"
        for file in data.provenance or ()
        if file.manifest is not None and not file.manifest.get("licence")
    )
