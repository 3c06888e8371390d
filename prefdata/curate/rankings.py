"""Rankings out of the pairs, ties and ratings that were made of them.

What was made of one ranking has one origin and prompt. Where the ratings of a ranking stood in several
rows, a pair has the row of its better side, and that row is in its meta, too: such pairs and ties are
one ranking where they share a completion. Where every completion has one score, the scores are the
ranking; where there are none, the pairs must imply one order of all completions, as those of adjacent
ones do.

No text is looked at but through 64-bit hashes, which hold within one run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from itertools import groupby, pairwise
from operator import itemgetter
from typing import NamedTuple

import numpy as np
import polars as pl

from prefdata.frame import messages
from prefdata.pairing import text_order

PLACE = ("source", "file", "row", "prompt_id")
SIDES = {"pairs": ("chosen", "rejected"), "ties": ("first", "second"), "unpaired": ("completion",)}


class Rankings(NamedTuple):
    """Candidates in rank order, and what is known of each ranking.

    Attributes:
        rows: of pairs, ties and unpaired ratings, in this order, as `ranking_of` returns them, and
            the nodes of their sides: `one` and `other` (null in a rating).
        nodes: one row a completion, in rank order: `ranking`, `node`, `score`, `model`, and whether
            the ranking is `scored`; if not, the score is minus the place.
        unclear: `ranking` and the `reason` why it could not be rebuilt; it has no nodes.
    """

    rows: pl.DataFrame
    nodes: pl.DataFrame
    unclear: pl.DataFrame


def ranking_of(parts: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Returns which ranking each row belongs to: `part`, `at`, `prompt_id`, `gathered`, `ranking`.

    Args:
        parts: pairs, ties and unpaired ratings, each with canonical columns.

    Returns:
        A frame of as many rows as all parts have: their `part`, the row `at` which they stand in it,
        their `ranking`, named by the first of its rows, and whether it was `gathered` over several
        rows of the source.
    """
    rows = pl.concat(
        frame.select(
            *PLACE,
            part=pl.lit(name),
            at=pl.int_range(pl.len(), dtype=pl.UInt32),
            gathered=_gathered(SIDES[name][0]),
            key_0=pl.col(SIDES[name][0]).hash(),
            key_1=pl.col(SIDES[name][-1]).hash(),
        )
        for name, frame in parts.items()
    ).with_row_index("line")
    unit = pl.struct(PLACE).hash()
    component = _components(rows.filter("gathered"))
    return (
        rows.join(component, on="line", how="left", maintain_order="left")
        .with_columns(unit=pl.when("gathered").then("component").otherwise(unit))
        .with_columns(ranking=pl.col("line").first().over("gathered", "unit"))
        .select("part", "at", "prompt_id", "gathered", "ranking")
    )


def _gathered(better: str) -> pl.Expr:
    """Tells whether the better side says, in meta, that it stood in the row of the pair itself."""
    row = pl.coalesce(
        pl.col("meta").str.json_path_match(f"$.{better}{ending}.{path}")
        for ending in ("_of_ranking", "")
        for path in ("row", "ratings[0].row")
    )
    return (row == pl.col("row").cast(pl.String)).fill_null(value=False)


def _components(rows: pl.DataFrame) -> pl.DataFrame:
    """Returns the `component` of each `line`: rows are edges between the completions of a prompt."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ends = [
        rows.select(pl.struct("source", "file", "prompt_id", f"key_{n}").hash()).to_series()
        for n in (0, 1)
    ]
    labels, vertices = np.unique(pl.concat(ends).to_numpy(), return_inverse=True)
    one, other = vertices[: rows.height], vertices[rows.height :]
    shape = (len(labels), len(labels))
    graph = coo_array((np.ones(rows.height, np.int8), (one, other)), shape=shape)
    found = connected_components(graph, directed=False)[1] if len(labels) else one
    return rows.select("line", component=pl.Series(found[one]).cast(pl.UInt64))


def rebuild(parts: Mapping[str, pl.DataFrame], rows: pl.DataFrame) -> Rankings:
    """Rebuilds rankings.

    Args:
        parts: pairs, ties of equal scores and unpaired ratings with a score.
        rows: of all of them, in their order, as `ranking_of` returned them.
    """
    sides = _sides(parts, rows)
    rows = rows.with_columns(_of_rows(sides["node"], parts))
    nodes = sides.group_by("node", maintain_order=True).agg(
        pl.col("ranking").first(),
        pl.col("score").max(),
        pl.col("model").drop_nulls().first(),
        several=pl.col("score").drop_nulls().n_unique() > 1,
    )
    edges = rows.filter(pl.col("part") == "pairs").select("ranking", better="one", worse="other")
    nodes = nodes.with_columns(scored=pl.col("score").is_not_null().all().over("ranking"))
    unclear = _unclear_scores(nodes, edges)
    nodes = nodes.join(unclear, on="ranking", how="anti", maintain_order="left")
    places, disordered = _orders(nodes, edges)
    nodes = nodes.join(disordered, on="ranking", how="anti", maintain_order="left")
    nodes = nodes.join(places, on="node", how="left", maintain_order="left").with_columns(
        score=pl.when("scored").then("score").otherwise(-pl.col("place").cast(pl.Float64))
    )
    return Rankings(
        rows=rows,
        nodes=_ranked(nodes.select("ranking", "node", "score", "model", "scored"), parts),
        unclear=pl.concat([unclear, disordered]),
    )


def _sides(parts: Mapping[str, pl.DataFrame], rows: pl.DataFrame) -> pl.DataFrame:
    """Returns the completions of `rows`, side by side and part by part.

    Their `node` is the place of the first one that says the same in the same ranking.
    """
    found = []
    for name, part in parts.items():
        ranking = rows.filter(pl.col("part") == name)["ranking"]
        for side in SIDES[name]:
            beside = "" if side == "completion" else f"{side}_"
            column = part.select(
                key=pl.col(side).hash(),
                score=pl.col(f"{beside}score").fill_nan(None),
                model=pl.col(f"{beside}model"),
            )
            found.append(column.with_columns(ranking))
    return (
        pl.concat(found)
        .with_row_index("where")
        .with_columns(node=pl.col("where").first().over("ranking", "key"))
        .drop("key", "where")
    )


def _of_rows(nodes: pl.Series, parts: Mapping[str, pl.DataFrame]) -> list[pl.Series]:
    """Returns the nodes of the first side of each row, and those of the other."""
    columns: tuple[list[pl.Series], ...] = ([], [])
    at = 0
    for name, part in parts.items():
        for column in columns[: len(SIDES[name])]:
            column.append(nodes.slice(at, part.height))
            at += part.height
    nothing = pl.Series([None] * parts["unpaired"].height, dtype=nodes.dtype)
    columns[1].append(nothing)
    return [pl.concat(c).alias(n) for c, n in zip(columns, ("one", "other"), strict=True)]


def _unclear_scores(nodes: pl.DataFrame, edges: pl.DataFrame) -> pl.DataFrame:
    """Returns the rankings whose scores are none, with the reason."""
    score = nodes.select("node", "score")
    against = (
        edges.join(nodes.select("node", "scored", "score"), left_on="better", right_on="node")
        .join(score, left_on="worse", right_on="node", suffix="_of_worse")
        .filter(pl.col("scored") & (pl.col("score") <= pl.col("score_of_worse")))
    )
    several = nodes.filter("several").select(
        "ranking", reason=pl.lit("several-scores-of-one-completion")
    )
    disagree = against.select("ranking", reason=pl.lit("scores-disagree-with-pairs"))
    return pl.concat([several, disagree]).unique("ranking", keep="first", maintain_order=True)


def _orders(nodes: pl.DataFrame, edges: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Returns `node` and `place` in rankings without scores, and the rankings that have no order."""
    unscored = nodes.filter(~pl.col("scored")).select("ranking").unique()
    said = edges.join(unscored, on="ranking", how="semi").sort("ranking")
    placed: list[tuple[int, int]] = []
    without: list[tuple[int, str]] = []
    said_by_ranking = said.select("ranking", "better", "worse").iter_rows()
    for ranking, group in groupby(said_by_ranking, key=itemgetter(0)):
        try:
            placed += [(node, n) for n, node in enumerate(_order([edge[1:] for edge in group]))]
        except CycleError:
            without.append((ranking, "preference-cycle"))
        except _Incomplete:
            without.append((ranking, "incomplete-ranking"))
    return (
        pl.DataFrame(placed, {"node": pl.UInt32, "place": pl.UInt32}, orient="row"),
        pl.DataFrame(without, {"ranking": pl.UInt32, "reason": pl.String}, orient="row"),
    )


class _Incomplete(Exception):
    """Two completions next to each other, and no pair says which one is better."""


def _order(edges: Sequence[tuple[int, int]]) -> list[int]:
    """Returns the completions, the best first, in the only order that the pairs allow."""
    better: dict[int, set[int]] = {}
    for one, other in edges:
        better.setdefault(one, set())
        better.setdefault(other, set()).add(one)
    order = list(TopologicalSorter(better).static_order())
    if any(one not in better[other] for one, other in pairwise(order)):
        raise _Incomplete
    return order


def _ranked(nodes: pl.DataFrame, parts: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Returns the nodes ranking by ranking, the best first, those of one score by their text."""
    tied = nodes.filter(pl.len().over("ranking", "score") > 1)
    said = completions(parts)[tied["node"]].to_list()
    texts = [
        text_order(messages(turns), model)
        for turns, model in zip(said, tied["model"].to_list(), strict=True)
    ]
    order = sorted(range(len(texts)), key=texts.__getitem__)
    place = pl.DataFrame({"node": tied["node"][order]}).with_row_index("by_text")
    return (
        nodes.join(place, on="node", how="left", maintain_order="left")
        .sort("ranking", "score", "by_text", descending=[False, True, False])
        .drop("by_text")
    )


def completions(parts: Mapping[str, pl.DataFrame]) -> pl.Series:
    """Returns the texts that nodes count: side by side and part by part."""
    return pl.concat(
        frame[side].alias("completion") for name, frame in parts.items() for side in SIDES[name]
    )
