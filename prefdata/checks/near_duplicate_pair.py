"""A pair is nearly the same as another: its prompt and both completions.

## What it does
Finds pairs whose prompt is nearly that of an earlier pair (see `near-duplicate-prompt`) and whose two
completions are nearly those of that pair, in either order: texts that share most of their five-word
shingles (Jaccard similarity of 0.8 or more, compared exactly). What is the same letter by letter, or
but for case and space, is left to the rules `duplicate-pair`, `loosely-duplicate-pair` and
`contradictory-pair`.

## Why is this bad?
The preference counts twice although it was stated once, and a split puts one of the two into training
and one into test. Where the other prefers the other completion, the two contradict each other.

## Example
```jsonl
{"prompt": "What is the capital city of France?", "chosen": "The capital city of France is Paris.", "rejected": "It is Rome."}
{"prompt": "what is the capital city of France", "chosen": "The capital city of France is Paris!", "rejected": "It is Rome."}
```

## Fix
`drop` (unsafe): keeps the first pair of each group, which need not be the best.
`prefdata curate --select near-duplicate-pair` does it.
"""

from __future__ import annotations

import polars as pl
from msgspec import Struct

from prefdata.checks import UNSAFE_DROP, Evidence, set_rule
from prefdata.near.conversations import ORIGIN, completion_clusters, loose_keys, prompt_clusters

GROUP = ("cluster", "low", "high")


class Settings(Struct, frozen=True):
    """When two texts are nearly the same.

    Attributes:
        similarity: least Jaccard similarity of their shingles, in [0.6, 1].
    """

    similarity: float = 0.8


@set_rule("PD506", "near-duplicate-pair", level="warning", fix=UNSAFE_DROP, settings=Settings)
def near_duplicate_pair(data: Evidence, settings: Settings) -> pl.DataFrame:
    """Returns the pairs of a group but the first, and but those loosely equal to an earlier one."""
    pairs = _grouped(data, settings.similarity).sort(*ORIGIN, "id")
    file, row, up = (pl.col(name).first().over(GROUP) for name in ("file", "row", "up"))
    place = pl.when(pl.col("file") == file).then(pl.format("row {}", row))
    first = place.otherwise(pl.format("{}:{}", file, row))
    same = pl.format("nearly the same pair as {}", first)
    turned = pl.format("nearly the pair of {}, which prefers the other side", first)
    return (
        pairs.with_columns(message=pl.when(pl.col("up") == up).then(same).otherwise(turned))
        .filter(~pl.struct(GROUP).is_first_distinct() & pl.col("loose").is_first_distinct())
        .select("index", "message")
    )


def _grouped(data: Evidence, similarity: float) -> pl.DataFrame:
    """Returns the pairs of which there are several in a group.

    Only completions of prompts that have several pairs are compared.
    """
    clusters = data.once(prompt_clusters, similarity).select("prompt_id", "cluster")
    pairs = data.pairs.join(clusters, on="prompt_id", how="left", maintain_order="left")
    pairs = pairs.filter(pl.col("cluster").is_duplicated())
    sides = completion_clusters(pairs, similarity)
    low, high = sides.min_horizontal(), sides.max_horizontal()
    grouped = pairs.select(
        "index", "id", *ORIGIN, "cluster", "prompt", "chosen", "rejected"
    ).with_columns(low=low, high=high, up=sides["chosen"] <= sides["rejected"])
    several = grouped.filter(pl.struct(GROUP).is_duplicated())
    prompt, one, other = (loose_keys(several, name) for name in ("prompt", "chosen", "rejected"))
    return several.with_columns(loose=prompt.hash() ^ (one.hash() + other.hash()))
