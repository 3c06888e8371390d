"""A text holds a prompt of an evaluation set.

## What it does
With `--benchmark FILE`, finds pairs of which a message holds 60 % or more of a prompt of FILE, and shows
the longest passage that both have. Compared are runs of eight words without case and punctuation, one
of which may be another; a word weighs the more the fewer texts of the set hold the runs it stands in,
so that a common opening proves little. A benchmark's prompt of fewer than eight words must be a whole
message.

## Why is this bad?
A model trained on the prompts of a benchmark, or on answers to them, is measured by memory, and its
score means nothing.

## Example
With `--benchmark quiz.txt`, which is
```text
A train leaves Rome at nine and another leaves Milan at ten. When do they meet?
```
the first of these is reported:
```jsonl
{"prompt": "Hello! A train leaves Rome at nine and another leaves Milan at ten. When do they meet?", "chosen": "At noon.", "rejected": "Never."}
{"prompt": "Name a colour.", "chosen": "Blue.", "rejected": "Seven."}
```

## Fix
None. Look at the passage; then take the pair out, or allow a text that is no secret, such as a licence
or a famous quotation: `rules.benchmark-overlap = { containment = 0.8, allow = ["To be, or ..."] }`.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
from msgspec import Struct

from prefdata.checks import Benchmark, Evidence, set_rule
from prefdata.expressions import contents
from prefdata.near.overlap import containment, longest_passage

_SIDES = ("prompt", "chosen", "rejected")
_SHOWN = 120  # characters of a passage


class Settings(Struct, frozen=True):
    """How much of a benchmark's prompt a text may hold.

    Attributes:
        containment: least share of its words, weighed by rarity, that stand in runs found in the text.
        allow: texts that may occur anywhere; runs of eight words in them count for nothing.
    """

    containment: float = 0.6
    allow: tuple[str, ...] = ()


@set_rule("PD507", "benchmark-overlap", level="error", needs="benchmarks", settings=Settings)
def benchmark_overlap(data: Evidence, settings: Settings) -> pl.DataFrame:
    """Returns the pairs with a text that holds a benchmark's prompt; `value` is the share of it."""
    if not data.benchmarks:
        return pl.DataFrame(schema={"index": pl.UInt32, "message": pl.String})
    holders = _messages(data.pairs)
    texts = holders["text"].unique(maintain_order=True)
    found = _in_texts(texts, data.benchmarks, settings)
    overlaps = holders.join(found, on="text", how="inner").sort(
        "index", "share", descending=[False, True], maintain_order=True
    )
    return overlaps.unique("index", keep="first", maintain_order=True).select(
        "index",
        value="share",
        message=pl.format(
            'its {} holds {} % of a prompt of {}, {} words in a row: "{}"',
            "side",
            (pl.col("share") * 100).round().cast(pl.Int64),
            "benchmark",
            "words",
            "passage",
        ),
    )


def _messages(pairs: pl.DataFrame) -> pl.DataFrame:
    """Returns `index`, `side` and `text` of every message that says something."""
    return pl.concat(
        pairs.select("index", side=pl.lit(side), text=contents(side))
        .explode("text")
        .filter(pl.col("text").str.contains(r"\S"))
        for side in _SIDES
    )


def _in_texts(
    texts: pl.Series, benchmarks: Sequence[Benchmark], settings: Settings
) -> pl.DataFrame:
    """Returns the texts that hold a prompt: `text`, `share` of it, `benchmark`, `words`, `passage`."""
    prompts = pl.concat(benchmark.prompts for benchmark in benchmarks)
    names = [benchmark.name for benchmark in benchmarks for _ in benchmark.prompts]
    shares = containment(texts, prompts, pl.Series(settings.allow, dtype=pl.String))
    enough = shares.filter(pl.col("share") >= settings.containment)
    best = enough.sort("share", descending=True, maintain_order=True).unique(
        "text", keep="first", maintain_order=True
    )
    rows = []
    for at, source, share in best.iter_rows():
        words, passage = longest_passage(texts[at], prompts[source])
        rows.append((texts[at], min(share, 1.0), names[source], words, _shortened(passage)))
    schema = {"text": pl.String, "share": pl.Float64, "benchmark": pl.String}
    return pl.DataFrame(rows, schema | {"words": pl.Int64, "passage": pl.String}, orient="row")


def _shortened(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= _SHOWN else f"{plain[:_SHOWN]}…"
