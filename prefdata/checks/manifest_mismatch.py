"""A file is not the one that its manifest describes.

## What it does
Compares the SHA-256 of a converted file with the one in the manifest beside it.

## Why is this bad?
The file was changed or replaced after it was written, so the counts, reasons and settings in the
manifest are those of another set, and so is everything that was found in it.

## Example
A set beside which this manifest stands:
```json
{"inputs": [{"file": "votes.csv", "rows": 1}], "outputs": [{"file": "case.jsonl", "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "rows": 1}]}
```
```jsonl
{"prompt": "Name a colour.", "chosen": "Blue.", "rejected": "Seven."}
```

## Fix
None. Convert or curate again; changes belong into a command, which writes a new manifest.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from prefdata.checks import Evidence, set_rule
from prefdata.io.manifest import differences
from prefdata.texts.messages import about_the_set


@set_rule("PD703", "manifest-mismatch", level="error", needs="provenance")
def manifest_mismatch(data: Evidence) -> pl.DataFrame:
    """Returns one row for each file that is not what its manifest says."""
    return about_the_set(
        sentence
        for file in data.provenance or ()
        for sentence in differences(Path(file.path), file.manifest or {})
    )
