"""How much of one text is in another: runs of eight words that both hold."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from typing import NamedTuple
from unicodedata import normalize

import numpy as np
import polars as pl

from prefdata.near.shingles import blocks, word_runs

RUN = 8  # words; runs of 13 miss paraphrases of a part, shorter ones are common phrases

_WORD = re.compile(r"[^\W_]+")


def containment(texts: pl.Series, sources: pl.Series, ignored: pl.Series) -> pl.DataFrame:
    """Returns how much of each source is in each text.

    A run of words weighs the more the fewer texts hold it: log(1 + texts / holders), the inverse
    document frequency (Spärck Jones 1972). So what a source shares with a text counts, and what it
    shares with every text does not. A source of fewer words than `RUN` is one run.

    Args:
        texts: String; where to look.
        sources: String; what to look for.
        ignored: String; texts whose runs count for nothing.

    Returns:
        `text` and `source` (rows, UInt32), where they share a run, and `share`: the weight of the
        runs that they share over that of all runs of the source, in (0, 1].
    """
    runs = _runs(sources).join(_runs(ignored).select("run"), on="run", how="anti")
    hits = _hits(texts, runs["run"].unique())
    holders = hits.group_by("run").agg(holders=pl.len())
    weight = (1 + len(texts) / pl.col("holders").fill_null(1)).log()
    weighed = runs.join(holders, on="run", how="left").with_columns(weight=weight)
    whole = pl.col("weight").sum().over("row")
    return (
        weighed.select("run", source="row", part=pl.col("weight") / whole)
        .join(hits.rename({"row": "text"}), on="run", how="inner")
        .group_by("text", "source")
        .agg(share=pl.col("part").sum())
        .sort("text", "source")
    )


def _runs(texts: pl.Series) -> pl.DataFrame:
    """Returns `row` (UInt32) and `run` (UInt64) of every text, each run of a text once."""
    hashes, counts = word_runs(texts, RUN)
    rows = np.repeat(np.arange(len(texts), dtype=np.uint32), counts)
    return pl.DataFrame({"row": rows, "run": hashes}, {"row": pl.UInt32, "run": pl.UInt64}).unique()


def _hits(texts: pl.Series, wanted: pl.Series) -> pl.DataFrame:
    found, start = [_runs(pl.Series([], dtype=pl.String))], 0
    for block in blocks(texts):
        runs = _runs(block).filter(pl.col("run").is_in(wanted.implode()))
        found.append(runs.with_columns(pl.col("row") + start))
        start += len(block)
    return pl.concat(found)


class Passage(NamedTuple):
    """A run of words that two texts share.

    Attributes:
        words: how many.
        text: as it stands in the first of the two.
    """

    words: int
    text: str


def longest_passage(text: str, source: str) -> Passage:
    """Returns the longest run of words of `text` that `source` holds, too, case folded."""
    spans = [match.span() for match in _WORD.finditer(text)]
    ours = [_folded(text[start:end]) for start, end in spans]
    theirs = [_folded(word) for word in _WORD.findall(source)]
    match = SequenceMatcher(None, ours, theirs, autojunk=False).find_longest_match()
    if not match.size:
        return Passage(0, "")
    return Passage(match.size, text[spans[match.a][0] : spans[match.a + match.size - 1][1]])


def _folded(word: str) -> str:
    return normalize("NFKC", word).casefold()
