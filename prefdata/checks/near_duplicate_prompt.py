"""A prompt is nearly the same as another.

## What it does
Finds pairs whose prompt shares most of its five-word shingles with another prompt of the set (Jaccard
similarity of 0.8 or more; MinHash finds the candidates, and each is compared exactly). Prompts that
such pairs connect are a cluster; pairs of its first prompt, by file and row, are not reported. System
turns, letter case and punctuation are left out, and in Chinese, Japanese and Thai a character is a
word. Of texts of fewer than five words, five-character shingles are compared.

## Why is this bad?
The set is less varied than it looks, and a split by prompt puts one of two such prompts into training
and the other into test, where accuracy then measures memory.

## Example
```jsonl
{"prompt": "Write a short poem about the sea in winter, please.", "chosen": "Grey waves roll.", "rejected": "No."}
{"prompt": "write a short poem about the sea in winter", "chosen": "Cold foam.", "rejected": "Why?"}
```

## Fix
`drop` (unsafe): keeps the pairs of the first prompt of each cluster, although the others may teach
something else. `prefdata curate --select near-duplicate-prompt` does it. Another limit:
`rules.near-duplicate-prompt = { similarity = 0.9 }`.
"""

from __future__ import annotations

import polars as pl
from msgspec import Struct

from prefdata.checks import UNSAFE_DROP, Evidence, set_rule
from prefdata.near.conversations import prompt_clusters


class Settings(Struct, frozen=True):
    """When two prompts are nearly the same.

    Attributes:
        similarity: least Jaccard similarity of their shingles, in [0.6, 1].
    """

    similarity: float = 0.8


@set_rule("PD502", "near-duplicate-prompt", level="info", fix=UNSAFE_DROP, settings=Settings)
def near_duplicate_prompt(data: Evidence, settings: Settings) -> pl.DataFrame:
    """Returns pairs whose prompt is not the first of its cluster; `value` is its similarity."""
    prompts = data.once(prompt_clusters, settings.similarity)
    later = prompts.filter(pl.col("prompt_id") != pl.col("leader"))
    nearby, elsewhere = pl.format("row {}", "row"), pl.format("{}:{}", "file", "row")
    found = data.pairs.select("index", "prompt_id", here="file").join(
        later, on="prompt_id", how="inner", maintain_order="left"
    )
    place = pl.when(pl.col("here") == pl.col("file")).then(nearby).otherwise(elsewhere)
    return found.select(
        "index", message=pl.format("its prompt is nearly that of {}", place), value="jaccard"
    )
