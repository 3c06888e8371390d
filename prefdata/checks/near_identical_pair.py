"""Chosen and rejected are nearly the same.

## What it does
Finds pairs whose sides differ in at most one character of twenty (normalised Indel similarity of 0.95
or more, which is 2 * longest common subsequence / both lengths), but in more than white space. Sides
with tool calls or of several turns are compared as one text, and accents written in two ways (as one
character, or as a letter and a combining mark) count as the same.

## Why is this bad?
The log-probs of nearly equal texts move together, and DPO then lowers both: likelihood displacement
(Pal et al. 2024, arXiv:2402.13228). Such pairs often come from one model sampled twice at a low
temperature. Where the small difference is the point, in arithmetic or code, keep them and look at
chosen's log-prob during training.

## Example
```jsonl
{"prompt": "Where is Paris?", "chosen": "Paris is the capital of France, in the north.", "rejected": "Paris is the capital of France, in the north!"}
```

## Fix
`drop` (unsafe): the small difference may be what was preferred.
`prefdata curate --select near-identical-pair` does it. Another limit:
`rules.near-identical-pair = { similarity = 0.98 }`.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from msgspec import Struct

from prefdata.checks import UNSAFE_DROP, Evidence, set_rule
from prefdata.expressions import collapsed
from prefdata.near.conversations import answered

_SIDES = ("chosen", "rejected")


class Settings(Struct, frozen=True):
    """When two sides are nearly the same.

    Attributes:
        similarity: least normalised Indel similarity of their texts, in (0, 1].
    """

    similarity: float = 0.95


@set_rule("PD220", "near-identical-pair", level="info", fix=UNSAFE_DROP, settings=Settings)
def near_identical_pair(data: Evidence, settings: Settings) -> pl.DataFrame:
    """Returns the pairs whose sides are that similar and not the same; `value` is the similarity."""
    from rapidfuzz.distance import Indel
    from rapidfuzz.process import cpdist

    texts = _alike_in_length(data.pairs, settings.similarity)
    chosen, rejected = texts["chosen"].to_list(), texts["rejected"].to_list()
    values = cpdist(chosen, rejected, scorer=Indel.normalized_similarity, dtype=np.float64)
    similar = texts.select("index", value=values).filter(pl.col("value") >= settings.similarity)
    sides = data.pairs.join(similar, on="index", how="inner", maintain_order="left").rechunk()
    percent = (pl.col("value") * 100).floor().cast(pl.Int64)
    return sides.filter(collapsed("chosen").ne_missing(collapsed("rejected"))).select(
        "index",
        "value",
        message=pl.format("chosen and rejected are the same to {} %", percent),
    )


def _alike_in_length(pairs: pl.DataFrame, similarity: float) -> pl.DataFrame:
    """Returns `index` and the texts of both sides where their lengths leave the similarity possible.

    Of lengths m <= n, at most m characters are common: the similarity is at most 2m / (m + n).
    """
    texts = {side: answered(side).list.join("\n") for side in _SIDES}
    one, other = (pl.col(side).str.len_chars() for side in _SIDES)
    most = 2 * pl.min_horizontal(one, other) / (one + other)
    return _composed(pairs.select("index", **texts)).filter(most >= similarity)


def _composed(texts: pl.DataFrame) -> pl.DataFrame:
    """Returns both sides in Unicode's normal form C, which ASCII text, the most of it, is already in."""
    in_ascii = pl.all_horizontal(
        pl.col(side).str.len_bytes() == pl.col(side).str.len_chars() for side in _SIDES
    )
    other = texts.filter(~in_ascii).with_columns(pl.col(_SIDES).str.normalize("NFC"))
    return pl.concat([texts.filter(in_ascii), other])
