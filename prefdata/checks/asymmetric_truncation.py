"""In one source, one side is cut far more often than the other.

## What it does
With `--tokenizer MODEL --max-length N`, compares for each source the share of pairs whose chosen side
loses its end with the share whose rejected side does. A source is reported when the whole 95 %
interval of the difference, which holds for all sources at once, lies beyond `min_difference` (10 %).
Pairs whose prompt alone fills N do not count.

## Why is this bad?
A side that is cut has no end token. When it is mostly the chosen one, the model learns that better
answers do not end; when it is mostly the rejected one, that whatever ends is better. Neither is what
was judged, and each source teaches it in its own way.

## Example
With `--max-length 32`:
```jsonl
{"prompt": "Name a colour.", "chosen": "Blue, as the sea is blue, with waves that rise and waves that fall, and fall again.", "rejected": "Seven."}
{"prompt": "Name a fruit.", "chosen": "Fig, as the fig is sweet, with leaves that rise and leaves that fall, and fall again.", "rejected": "Six."}
{"prompt": "Name a city.", "chosen": "Rome, as Rome is old, with walls that rise and walls that fall, and fall again.", "rejected": "Five."}
{"prompt": "Name a river.", "chosen": "Nile, as the Nile is long, with water that rises and water that falls again.", "rejected": "Four."}
{"prompt": "Name a bird.", "chosen": "Wren, as the wren is small, with a song that rises and a song that falls again.", "rejected": "Two."}
{"prompt": "Name a tree.", "chosen": "Oak, as the oak is tall, with leaves that rise and leaves that fall, and fall again.", "rejected": "One."}
```

## Fix
None. Raise `max_length` until few pairs are cut, or leave them to `truncation: drop`, which counts
them.
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl
from msgspec import Struct

from prefdata.checks import Evidence, set_rule
from prefdata.stats.intervals import paired_difference, simultaneous_z
from prefdata.texts.messages import about_the_set


class Settings(Struct, frozen=True):
    """What is reported.

    Attributes:
        min_difference: share of a source's pairs by which one side must be cut more often.
    """

    min_difference: float = 0.1


@set_rule(
    "PD403",
    "asymmetric-truncation",
    level="warning",
    needs="tokens",
    settings=Settings,
)
def asymmetric_truncation(data: Evidence, settings: Settings) -> pl.DataFrame:
    """Returns one row for each source that is cut unevenly."""
    return about_the_set(_uneven(_cut_by_source(data), settings.min_difference))


def _cut_by_source(data: Evidence) -> pl.DataFrame:
    """Returns of each source its pairs, and how many are cut, on each side and on one only."""
    if data.tokens is None:
        return pl.DataFrame()
    chosen, rejected = pl.col("chosen_cut") > 0, pl.col("rejected_cut") > 0
    return (
        data.pairs.select("source")
        .hstack(data.tokens.select("chosen_cut", "rejected_cut", "prompt_fills_max_length"))
        .filter(~pl.col("prompt_fills_max_length"))
        .group_by("source")
        .agg(
            pl.len().alias("pairs"),
            chosen.sum().alias("chosen"),
            rejected.sum().alias("rejected"),
            (chosen & ~rejected).sum().alias("only_chosen"),
            (rejected & ~chosen).sum().alias("only_rejected"),
        )
        .sort("source")
    )


def _uneven(sources: pl.DataFrame, min_difference: float) -> Iterator[str]:
    z = simultaneous_z(max(1, sources.height))
    for row in sources.iter_rows(named=True):
        low, high = paired_difference(row["only_chosen"], row["only_rejected"], row["pairs"], z)
        if low > min_difference or high < -min_difference:
            shares = (row[side] / row["pairs"] for side in ("chosen", "rejected"))
            chosen, rejected = (f"{share:.1%}" for share in shares)
            yield (
                f"of the {row['pairs']:,} pairs of {row['source']}, {chosen} lose the end of chosen "
                f"and {rejected} that of rejected"
            )
