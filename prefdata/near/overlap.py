"""How much of one text is in another: runs of eight words that both hold, but for one word perhaps."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from typing import NamedTuple
from unicodedata import normalize

import numpy as np
import polars as pl

from prefdata.near.shingles import blocks, windows, words

RUN = 8  # words; runs of 13 miss paraphrases of a part, shorter ones are common phrases

_NO_GAP = RUN
_STEPS = pl.DataFrame({"step": range(RUN)}, {"step": pl.UInt32})

_WORD = re.compile(r"[^\W_]+")


def containment(texts: pl.Series, sources: pl.Series, ignored: pl.Series) -> pl.DataFrame:
    """Returns how much of each source is in each text.

    That are the words of the source in runs of eight that the text holds, too, with one word inside a run
    changed or none. A word weighs the less the more texts hold its most common run: log(1 + texts /
    holders), the inverse document frequency (Spärck Jones 1972). So what a source shares with a text
    counts, and what it shares with every text does not. A source of eight words may differ in any of
    them; one of fewer is in a text only where it is all of it.

    Args:
        texts: String; where to look.
        sources: String; what to look for.
        ignored: String; texts whose runs count for nothing.

    Returns:
        `text` and `source` (rows, UInt32), where they share a run, and `share`: the weight of the words
        that they share over that of all words of the source, in (0, 1].
    """
    runs = _runs(sources).join(_runs(ignored).select("run"), on="run", how="anti")
    hits = _hits(texts, runs)
    weights = _weights(runs, hits, len(texts))
    shared = (
        hits.join(runs, on="run", how="inner")
        .group_by("text", "source", "at")
        .agg(_gap_left())
        .pipe(_words_of)
        .unique(["text", "source", "word"])
    )
    return (
        shared.join(weights, on=["source", "word"], how="inner")
        .group_by("text", "source")
        .agg(share=(pl.col("weight") / pl.col("whole")).sum())
        .sort("text", "source")
    )


def _gap_left() -> pl.Expr:
    """Returns the word that is in no place where a run was found: what has two gaps is found whole."""
    gap = pl.col("gap")
    return pl.when(gap.min() == gap.max()).then(gap.max()).otherwise(_NO_GAP).cast(pl.UInt32)


def _runs(sources: pl.Series) -> pl.DataFrame:
    """Returns the runs of every source, with each gap that they may have.

    Returns:
        `source` and `at` (UInt32), where the run begins; `gap` (UInt32), the word of it that may be any;
        `run` (UInt64), a hash of the others.
    """
    found, sizes = words(sources, RUN), words(sources, 0).counts
    counts = np.maximum(found.counts - RUN + 1, 0)
    places = pl.DataFrame(
        {
            "source": np.repeat(np.arange(len(sources), dtype=np.uint32), counts),
            "at": (np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)),
            "size": np.repeat(sizes, counts),
        },
        {"source": pl.UInt32, "at": pl.UInt32, "size": pl.Int64},
    )
    inside = (pl.col("size") >= RUN) & pl.col("gap").is_between(1, RUN - 2)
    whole = (pl.col("gap") == _NO_GAP) | (pl.col("size") == RUN)
    return pl.concat(
        places.with_columns(
            gap=pl.lit(gap, pl.UInt32), run=pl.Series(windows(*found, RUN, gap)[0], dtype=pl.UInt64)
        ).filter(whole | inside)
        for gap in range(_NO_GAP + 1)
    ).drop("size")


def _hits(texts: pl.Series, runs: pl.DataFrame) -> pl.DataFrame:
    """Returns `text` (UInt32) and `run` of the runs that texts hold, each once."""
    wanted = runs.select("gap", "run").unique().partition_by("gap", as_dict=True)
    found, start = [pl.DataFrame(schema={"text": pl.UInt32, "run": pl.UInt64})], 0
    for block in blocks(texts):
        of_block = words(block, RUN)
        numbers = np.arange(start, start + len(block), dtype=np.uint32)
        for (gap,), of_gap in wanted.items():
            hashes, counts = windows(*of_block, RUN, gap)
            held = pl.DataFrame({"text": np.repeat(numbers, counts), "run": hashes})
            found.append(held.filter(pl.col("run").is_in(of_gap["run"].implode())).unique())
        start += len(block)
    return pl.concat(found)


def _weights(runs: pl.DataFrame, hits: pl.DataFrame, texts: int) -> pl.DataFrame:
    """Returns the `weight` of each `word` of each `source`, and that of the `whole` source."""
    holders = hits.group_by("run").agg(holders=pl.len())
    rarity = (1 + texts / pl.col("holders").fill_null(1)).log()
    return (
        runs.filter(pl.col("gap") == _NO_GAP)
        .join(holders, on="run", how="left")
        .with_columns(weight=rarity)
        .pipe(_words_of)
        .group_by("source", "word")
        .agg(pl.col("weight").min())
        .with_columns(whole=pl.col("weight").sum().over("source"))
    )


def _words_of(runs: pl.DataFrame) -> pl.DataFrame:
    """Returns a row for each word of each run but the one in its gap: `word`, its place in the source."""
    each = runs.join(_STEPS, how="cross").filter(pl.col("step") != pl.col("gap"))
    return each.with_columns(word=pl.col("at") + pl.col("step"))


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
