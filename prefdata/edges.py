"""Pairs as edges between 64-bit keys of completions: what looks across pairs never holds a text.

Keys hold for one run only, and at 5,000,000 pairs two texts share one with a probability of 1e-6.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from prefdata.stats import graph

if TYPE_CHECKING:
    from prefdata.checks import Evidence

Keys: TypeAlias = npt.NDArray[np.uint64]

_FACTOR = np.uint64(0x9E3779B97F4A7C15)  # odd, so that multiplying by it loses nothing
_TRIMS = 3  # rounds after which the graphs of real sets hardly shrink
_INVERSE = np.uint64(pow(int(_FACTOR), -1, 2**64))


def preference_edges(data: Evidence) -> pl.DataFrame:
    """Returns one row a pair: `index` (u32), `winner` and `loser` (u64).

    The keys stand for a completion under its prompt, tools included: two pairs share one only where
    they share both.
    """
    pairs = data.pairs
    asked = pairs["prompt_id"].hash().to_numpy()
    return pl.DataFrame(
        {
            "index": pairs["index"],
            "winner": mixed(asked, message_keys(pairs["chosen"])),
            "loser": mixed(asked, message_keys(pairs["rejected"])),
        }
    )


def mixed(first: Keys, second: Keys) -> Keys:
    """Returns keys of couples of keys; their order matters."""
    return first * _FACTOR + second


def message_keys(column: pl.Series) -> Keys:
    """Returns a key of each cell of a messages column.

    The texts are hashed as one flat column, 50 times as fast as hashing the cells.
    """
    counts = column.list.len().fill_null(0).to_numpy().astype(np.int64)
    speaks = counts > 0
    if speaks.all():
        return _folded(_turn_keys(column.explode()), counts)
    keys = np.zeros(len(column), np.uint64)
    if speaks.any():
        turns = column.filter(pl.Series(speaks)).explode()
        keys[speaks] = _folded(_turn_keys(turns), counts[speaks])
    return keys


def _folded(turns: Keys, counts: npt.NDArray[np.int64]) -> Keys:
    """Returns one key for each run of `counts` turns; their order matters."""
    if len(turns) == len(counts):
        return turns
    starts = np.cumsum(counts) - counts
    place = np.arange(len(turns)) - np.repeat(starts, counts)
    powers = np.cumprod(np.full(int(counts.max()), _FACTOR)) * _INVERSE  # 1, f, f², ...
    return np.add.reduceat(turns * powers[place], starts)


def _turn_keys(turns: pl.Series) -> Keys:
    """Returns a key of each message; a field that is null adds nothing."""
    keys = np.zeros(len(turns), np.uint64)
    for field, factor in zip(turns.struct.fields, _field_factors(), strict=False):
        values = turns.struct.field(field)
        if values.null_count() == len(values):
            continue
        hashes = values.hash().to_numpy()
        keys += np.where(values.is_not_null().to_numpy(), hashes, np.uint64(0)) * factor
    return keys


def _field_factors() -> Iterator[np.uint64]:
    """Yields odd numbers without end, so that one text in two fields gives two keys."""
    factor = 1
    while True:
        factor = factor * (int(_FACTOR) + 2) % 2**64
        yield np.uint64(factor)


def contradictions(edges: pl.DataFrame) -> pl.DataFrame:
    """Returns the edges that also occur in the other direction."""
    winner, loser = edges["winner"].to_numpy(), edges["loser"].to_numpy()
    there, back = pl.Series(mixed(winner, loser)), pl.Series(mixed(loser, winner))
    return edges.filter(there.is_in(back.implode()) & (pl.col("winner") != pl.col("loser")))


def on_cycles(edges: pl.DataFrame) -> pl.DataFrame:
    """Returns the edges between nodes of one cycle, of `preference_edges`, with what is known of them.

    Between two nodes the majority decides; where there is none, there is no edge. The columns are
    `index`; `cycle`, a number of the strongly connected component; `completions`, its nodes; `edge`,
    a key of winner and loser; `residual`, 1 less the difference of the HodgeRank scores of winner
    and loser among the edges returned.
    """
    decided = _decided(_trimmed(edges))
    ids = pl.concat([decided["winner"], decided["loser"]]).rank("dense").to_numpy() - 1
    winners, losers = np.split(ids.astype(np.int64), 2)
    nodes = int(ids.max()) + 1 if len(ids) else 0
    major = decided["major"].to_numpy()
    parts = graph.strong_components(winners[major], losers[major], nodes)
    inside = parts[winners] == parts[losers]
    winners, losers = winners[inside], losers[inside]
    ones = np.ones(len(winners))
    residuals = graph.hodge_rank(winners, losers, ones, ones, nodes).residuals
    return pl.DataFrame(
        {
            "index": decided["index"].filter(pl.Series(inside)),
            "cycle": parts[winners],
            "completions": np.bincount(parts)[parts[winners]],
            "edge": winners * nodes + losers,
            "residual": residuals,
        }
    )


def _trimmed(edges: pl.DataFrame) -> pl.DataFrame:
    """Returns what is left without nodes that only win or only lose: they are on no cycle."""
    rest = edges.filter(pl.col("winner") != pl.col("loser"))
    for _ in range(_TRIMS):
        winner, loser = rest["winner"], rest["loser"]
        rest = rest.filter(winner.is_in(loser.implode()) & loser.is_in(winner.implode()))
    return rest


def _decided(edges: pl.DataFrame) -> pl.DataFrame:
    """Returns the edges between nodes one of which wins more often; `major`: the edge says so, too."""
    winner, loser = edges["winner"].to_numpy(), edges["loser"].to_numpy()
    couple = mixed(np.minimum(winner, loser), np.maximum(winner, loser))
    up = pl.when(pl.col("winner") < pl.col("loser")).then(1).otherwise(-1)
    surplus = edges.with_columns(couple=couple, up=up).with_columns(
        surplus=pl.col("up").sum().over("couple")
    )
    return surplus.filter(pl.col("surplus") != 0).select(
        "index", "winner", "loser", major=pl.col("up") * pl.col("surplus") > 0
    )
