"""Rankings out of the pairs that were made of them, and other pairs out of the rankings.

Pairs of one origin and prompt are one ranking. Where every completion has one score, the scores are the
ranking; where there are none, the pairs must imply one order of all completions, as those of adjacent
ones do. What a policy has left out (completions between the best and the worst, say) is not in the
pairs and cannot come back: convert the source again for that.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from typing import Any, NamedTuple

import msgspec
import polars as pl

from prefdata.frame import messages, pairs_table, to_polars
from prefdata.pairing import Pairing, pair_up
from prefdata.types import Candidate, Messages, Origin, Pair, Ranking

_RANKING = ("source", "file", "row", "prompt_id")
_SIDES = ("chosen", "rejected")


class Repaired(NamedTuple):
    """What became of pairs.

    Attributes:
        pairs: by the new policy; a pair alone in its ranking is as it was.
        removed: pairs of rankings that could not be rebuilt, with the column `reason`.
        rankings: how many were rebuilt.
    """

    pairs: pl.DataFrame
    removed: pl.DataFrame
    rankings: int


class _Unclear(Exception):
    """Pairs that imply no ranking; its text is the reason."""


def repair(pairs: pl.DataFrame, pairing: Pairing) -> Repaired:
    """Rebuilds the rankings that pairs were made of, and pairs them by another policy.

    Args:
        pairs: canonical columns.
        pairing: how. Ties are not made again: they stay in the sibling file they are in.
    """
    several = pairs.select(pl.len().over(_RANKING) > 1).to_series()
    made: list[Pair] = []
    set_aside = [pairs.clear().with_columns(reason=pl.lit("", pl.String))]
    rankings = 0
    for group in pairs.filter(several).partition_by(_RANKING, maintain_order=True):
        try:
            made += _again(group.rows(named=True), pairing)
            rankings += 1
        except _Unclear as reason:
            set_aside.append(group.with_columns(reason=pl.lit(str(reason))))
    return Repaired(
        pl.concat([pairs.filter(~several), to_polars(pairs_table(made))], how="vertical_relaxed"),
        pl.concat(set_aside),
        rankings,
    )


def _again(rows: Sequence[dict[str, Any]], pairing: Pairing) -> Iterable[Pair]:
    edges = [tuple(messages(row[side]) for side in _SIDES) for row in rows]
    order = _ordered(edges)
    scores = _scores(rows, edges)
    scored = len(scores) == len(order)
    if scored and any(scores[better] <= scores[worse] for better, worse in edges):
        raise _Unclear("scores-disagree-with-pairs")
    if not scored:
        if any(edge not in set(edges) for edge in pairwise(order)):
            raise _Unclear("incomplete-ranking")
        scores = {completion: float(-place) for place, completion in enumerate(order)}
    made = [
        pair for pair in pair_up(_ranking(rows, edges, scores), pairing) if isinstance(pair, Pair)
    ]
    if scored:
        return made
    bare = {"chosen_score": None, "rejected_score": None, "margin": None}
    return [msgspec.structs.replace(pair, **bare) for pair in made]


def _ordered(edges: Iterable[tuple[Messages, ...]]) -> list[Messages]:
    """Returns the completions, none before a better one."""
    better: dict[Messages, set[Messages]] = {}
    for one, other in edges:
        better.setdefault(one, set())
        better.setdefault(other, set()).add(one)
    try:
        return list(TopologicalSorter(better).static_order())
    except CycleError as error:
        raise _Unclear("preference-cycle") from error


def _scores(
    rows: Sequence[dict[str, Any]], edges: Sequence[tuple[Messages, ...]]
) -> dict[Messages, float]:
    """Returns the score of each completion that has one."""
    found: dict[Messages, float] = {}
    for row, edge in zip(rows, edges, strict=True):
        for side, completion in zip(_SIDES, edge, strict=True):
            score = row[f"{side}_score"]
            if score is not None and found.setdefault(completion, score) != score:
                raise _Unclear("several-scores-of-one-completion")
    return found


def _ranking(
    rows: Sequence[dict[str, Any]],
    edges: Sequence[tuple[Messages, ...]],
    scores: dict[Messages, float],
) -> Ranking:
    candidates: dict[Messages, Candidate] = {}
    meta: dict[str, Any] = {}
    for row, edge in zip(rows, edges, strict=True):
        meta = msgspec.json.decode(row["meta"])
        meta.pop("pair_weight", None)
        for side, completion in zip(_SIDES, edge, strict=True):
            own = meta.pop(f"{side}_of_ranking", None) or meta.pop(side, None)
            candidates[completion] = Candidate(
                completion=completion,
                score=scores[completion],
                model=row[f"{side}_model"],
                meta=own if isinstance(own, dict) else {},
            )
    row = rows[0]
    return Ranking(
        prompt=messages(row["prompt"]),
        tools=row["tools"],
        chat_template_kwargs=row["chat_template_kwargs"],
        images=None if row["images"] is None else tuple(row["images"]),
        meta=meta,
        origin=Origin(row["source"], row["file"], row["row"]),
        candidates=tuple(candidates.values()),
    )
