"""A set does not say where it comes from.

## What it does
Finds converted files without a manifest beside them, and those whose manifest names neither an input
with its SHA-256, nor a dataset of the hub, nor an address (`--source-url`). Files that prefdata did
not write are not looked at.

## Why is this bad?
When a fault is found in the source, or its licence changes, nobody knows which sets hold it.

## Example
A set beside which this manifest stands:
```json
{"inputs": [], "outputs": [], "licence": "cc-by-4.0"}
```
```jsonl
{"prompt": "Name a colour.", "chosen": "Blue.", "rejected": "Seven."}
```

## Fix
None. Keep the manifest beside its file, and convert with `--source-url`.
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from prefdata.checks import Evidence, set_rule
from prefdata.texts.messages import about_the_set


@set_rule("PD702", "missing-source", level="info", needs="provenance")
def missing_source(data: Evidence) -> pl.DataFrame:
    """Returns one row for each file that cannot be traced."""
    return about_the_set(_sentences(data))


def _sentences(data: Evidence) -> Iterator[str]:
    raw = set(data.pairs.get_column("file").unique())
    for file in data.provenance or ():
        if file.manifest is None:
            if file.path not in raw and data.pairs.height:
                yield f"{file.path} was converted, and has no manifest beside it"
        elif not file.manifest.get("inputs") and not file.manifest.get("source_url"):
            yield f"the manifest of {file.path} names no source"
