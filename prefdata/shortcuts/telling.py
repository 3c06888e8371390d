"""Words that stand on one side more often than on the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from prefdata.shortcuts.differences import HEAD, side_texts
from prefdata.stats.multiple import benjamini_hochberg, mcnemar_z, two_sided

if TYPE_CHECKING:
    from prefdata.checks import Evidence

SAMPLE = 20_000  # pairs
SCHEMA = pl.Schema(
    {
        "word": pl.String,
        "chosen": pl.UInt32,
        "rejected": pl.UInt32,
        "z": pl.Float64,
        "p": pl.Float64,
        "adjusted_p": pl.Float64,
    }
)
_WORD = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}]|[\p{L}\p{N}\p{M}]+|[^\p{L}\p{N}\p{M}\s]"
_LEAST = 5  # pairs; with fewer no word can be told from chance


def telling_words(data: Evidence) -> pl.DataFrame:
    """Returns the words of at most `SAMPLE` pairs, the most telling first.

    A word counts where it stands on exactly one side of a pair.

    Returns:
        Columns as in `SCHEMA`: pairs that have the word in chosen only, and in rejected only;
        McNemar's z, above 0 where chosen has it more often; its two-sided p-value, and that
        adjusted for the number of words (Benjamini-Hochberg).
    """
    keys = data.pairs.select("index", "id").sort("id", "index")
    sample = keys["index"].head(SAMPLE)
    words = side_texts(data.pairs.select("chosen", "rejected")[sample]).select(
        pl.all().str.head(HEAD).str.to_lowercase().str.extract_all(_WORD).list.unique()
    )
    chosen, rejected = (_only_in(words, *sides) for sides in _ORDERS)
    counts = chosen.join(rejected, on="word", how="full", coalesce=True).fill_null(0)
    counts = counts.filter(pl.col("chosen") + pl.col("rejected") >= _LEAST).sort("word")
    z = mcnemar_z(counts["chosen"], counts["rejected"])
    p = two_sided(z)
    tested = counts.with_columns(
        z=pl.Series(z), p=pl.Series(p), adjusted_p=pl.Series(benjamini_hochberg(p))
    )
    return tested.sort(pl.col("z").abs(), "word", descending=[True, False]).cast(SCHEMA)


_ORDERS = (("chosen", "rejected"), ("rejected", "chosen"))


def _only_in(words: pl.DataFrame, side: str, other: str) -> pl.DataFrame:
    """Returns `word`, and under the name of the side the pairs in which only that side has it."""
    only = words.select(word=pl.col(side).list.set_difference(other)).explode("word")
    return only.drop_nulls().group_by("word").agg(pl.len().alias(side))
