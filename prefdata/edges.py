"""Pairs as edges between keys of completions: what looks across pairs never holds a text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from prefdata.keys import message_keys, mixed
from prefdata.stats import graph

if TYPE_CHECKING:
    from prefdata.checks import Evidence

_TRIMS = 3  # rounds after which the graphs of real sets hardly shrink


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
