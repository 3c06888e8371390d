"""What of a pair is compared: its prompt and its completions as documents, a text for each turn."""

from __future__ import annotations

from typing import Protocol

import polars as pl
import xxhash

from prefdata.expressions import contents
from prefdata.near.clusters import Clusters, clusters
from prefdata.near.shingles import folded
from prefdata.near.verify import THRESHOLD

ORIGIN = ("source", "file", "row")

_MESSAGE = pl.element().struct
_FIELDS = ("role", "content", "tool_calls", "thinking")


class HasPairs(Protocol):
    """Evidence, as rules see it."""

    @property
    def pairs(self) -> pl.DataFrame:
        """Canonical columns and `index`."""


def asked(side: str = "prompt") -> pl.Expr:
    """Returns the texts of a prompt without its system turns, which unrelated prompts share.

    A prompt of nothing else is compared whole.
    """
    instructs = _MESSAGE.field("role").is_in(["system", "developer"])
    turns = pl.when(~instructs).then(_MESSAGE.field("content"))
    without = pl.col(side).list.eval(turns).list.drop_nulls()
    return pl.when(without.list.len() > 0).then(without).otherwise(contents(side))


def answered(side: str) -> pl.Expr:
    """Returns the texts and the tool calls of a completion."""
    calls = pl.col(side).list.eval(_MESSAGE.field("tool_calls"))
    return pl.concat_list(contents(side), calls).list.drop_nulls()


def prompt_clusters(data: HasPairs, threshold: float = THRESHOLD) -> pl.DataFrame:
    """Returns one row a distinct prompt, in the order of origins.

    Returns:
        `prompt_id`; `cluster`, UInt32; `jaccard`, that with the prompt most like it, null where
        there is none; `leader`, `file` and `row`: id and origin of the first prompt of the cluster.
    """
    prompts = _first_of_each(data.pairs)
    asked_first = data.pairs.select("prompt")[prompts["index"]].select(asked()).to_series()
    found = clusters(asked_first, threshold)
    best = _best(found)
    first = [pl.col(name).gather(found.labels).alias(name) for name in ("file", "row")]
    return (
        prompts.with_row_index("document")
        .join(best, on="document", how="left")
        .select(
            "prompt_id",
            "jaccard",
            *first,
            leader=pl.col("prompt_id").gather(found.labels),
            cluster=found.labels,
        )
    )


def _first_of_each(pairs: pl.DataFrame) -> pl.DataFrame:
    """Returns id, origin and index of each prompt where its origin is first, in that order.

    Two prompts of one origin are in the order of their ids, so that of the rows plays no part.
    """
    places = pairs.select("prompt_id", *ORIGIN, "index").sort(*ORIGIN, "prompt_id")
    return places.unique("prompt_id", keep="first", maintain_order=True)


def _best(found: Clusters) -> pl.DataFrame:
    """Returns `document` and the highest `jaccard` of its edges."""
    ends = [found.edges.select("jaccard", document=end) for end in ("left", "right")]
    return pl.concat(ends).group_by("document").agg(pl.col("jaccard").max())


def completion_clusters(pairs: pl.DataFrame, threshold: float = THRESHOLD) -> pl.DataFrame:
    """Returns `chosen` and `rejected`, UInt32, of every pair: the clusters of its completions."""
    sides = ("chosen", "rejected")
    documents = pl.concat(pairs.select(answered(side)).to_series().alias("x") for side in sides)
    labels = clusters(documents, threshold).labels
    return pl.DataFrame(
        {side: labels.slice(at * pairs.height, pairs.height) for at, side in enumerate(sides)}
    )


def loose_keys(pairs: pl.DataFrame, side: str) -> pl.Series:
    """Returns a UInt64 a pair: equal where a side is, after NFKC, case folding and white space.

    Roles, tool calls and thinking count, too. The keys hold for one run only.
    """
    message = pl.concat_str(
        [_MESSAGE.field(name).fill_null("") for name in _FIELDS], separator="\0"
    )
    whole = pairs.select(pl.col(side).list.eval(message).list.join("\0")).to_series()
    keys = [xxhash.xxh3_64_intdigest(_loose(text).encode()) for text in whole.fill_null("")]
    return pl.Series(side, keys, pl.UInt64)


def _loose(text: str) -> str:
    return "\0".join(part.strip() for part in folded(text).split("\0"))
