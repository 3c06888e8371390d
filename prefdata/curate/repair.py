"""Pairs the rankings behind a set by another policy.

A pair that the policy makes and that the set has stays as it is, with its votes, its meta and which
side was shown first. What a policy has left out (completions between the best and the worst, say) is
neither in the pairs nor beside them, and cannot come back: convert the source again for that.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

import msgspec
import polars as pl

from prefdata import frame
from prefdata.curate.anew import Anew
from prefdata.curate.rankings import SIDES, Rankings, ranking_of, rebuild
from prefdata.pairing import Pairing, couples, with_additions


class Made(NamedTuple):
    """One part of a set, made again.

    Attributes:
        rows: all of them, in the order of what they were made of.
        kept: how many were there before, and are as they were (but for `pair_weight`).
        new: how many were not.
        gone: the rows that the policy does not make.
    """

    rows: pl.DataFrame
    kept: int
    new: int
    gone: pl.DataFrame


class Repaired(NamedTuple):
    """What became of a set.

    Attributes:
        pairs, ties, unpaired: by the new policy.
        removed: pairs of rankings that could not be rebuilt, with the column `reason`.
        rankings: how many were rebuilt.
        lost_fields: fields of meta that belonged to a pair and not to its ranking, so that the new
            pairs do not have them.
    """

    pairs: Made
    ties: Made
    unpaired: Made
    removed: pl.DataFrame
    rankings: int
    lost_fields: tuple[str, ...]


def repair(
    pairs: pl.DataFrame,
    pairing: Pairing,
    *,
    ties: pl.DataFrame | None = None,
    unpaired: pl.DataFrame | None = None,
) -> Repaired:
    """Rebuilds the rankings that a set was made of, and pairs them by another policy.

    Args:
        pairs: canonical columns.
        pairing: how. `min_margin` is for rankings with scores; those without one have no margins.
        ties: what a conversion wrote beside the pairs; those of equal scores take part.
        unpaired: likewise; ratings with a score take part.
    """
    given = {
        "pairs": pairs,
        "ties": frame.to_polars(frame.TIES.empty_table()) if ties is None else ties,
        "unpaired": frame.to_polars(frame.UNPAIRED.empty_table()) if unpaired is None else unpaired,
    }
    rows = ranking_of(given).with_columns(_roles(given))
    rows = rows.with_columns(used=_used(pairing))
    used = {name: part.filter(_of(rows, name)["used"]) for name, part in given.items()}
    rankings = rebuild(used, rows.filter("used").drop("may", "scored", "used"))
    made, left_over = _by_policy(rankings, pairing)
    wanted = {
        "pairs": made.filter(pl.col("margin") > 0),
        "ties": made.filter(pl.col("margin") == 0),
        "unpaired": left_over,
    }
    plans = {name: _plan(name, rows, rankings, wanted[name]) for name in given}
    anew = Anew(used, rankings, pl.concat(plan.new["ranking"] for plan in plans.values()))
    parts = {name: _made(name, part, plans[name], anew) for name, part in given.items()}
    weighted = _weighted(parts["pairs"].rows, plans["pairs"], pairing)
    return Repaired(
        pairs=parts["pairs"]._replace(rows=weighted),
        ties=parts["ties"],
        unpaired=parts["unpaired"],
        removed=_removed(pairs, plans["pairs"]),
        rankings=rankings.nodes["ranking"].n_unique(),
        lost_fields=tuple(sorted(anew.lost_fields)),
    )


def _roles(given: Mapping[str, pl.DataFrame]) -> list[pl.Series]:
    """Returns whether rows may say something of a ranking, and whether they have all their scores."""
    kinds = {
        "pairs": (pl.lit(value=True), _both_scores("chosen", "rejected")),
        "ties": (
            (pl.col("tie_kind") == "equal-scores")
            & (pl.col("first_score") == pl.col("second_score")),
            pl.lit(value=False),
        ),
        "unpaired": (
            pl.col("score").is_not_nan() & pl.col("desirable").is_null(),
            pl.lit(value=False),
        ),
    }
    roles = pl.concat(
        part.select(may=kinds[name][0].fill_null(value=False), scored=kinds[name][1])
        for name, part in given.items()
    )
    return roles.get_columns()


def _both_scores(better: str, worse: str) -> pl.Expr:
    return pl.all_horizontal(pl.col(f"{side}_score").is_not_null() for side in (better, worse))


def _used(pairing: Pairing) -> pl.Expr:
    """Tells which rows are paired anew: those of rankings that a policy may pair in another way."""
    several = pl.col("may").sum().over("ranking") > 1
    if pairing.min_margin is None and not pairing.weights:
        return pl.col("may") & several
    return pl.col("may") & (several | pl.col("scored"))


def _of(rows: pl.DataFrame, part: str) -> pl.DataFrame:
    return rows.filter(pl.col("part") == part)


def _by_policy(rankings: Rankings, pairing: Pairing) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Returns the couples that the policy makes, and the completions that are left over."""
    without_margins = msgspec.structs.replace(pairing, min_margin=None)
    prompts = rankings.rows.unique("ranking").select("ranking", "prompt_id")
    nodes = rankings.nodes.join(prompts, on="ranking", how="left", maintain_order="left")
    made: list[tuple[int, int, int, int, float]] = []
    left: list[tuple[int, int, int]] = []
    columns = nodes.select("ranking", "node", "score", "scored", "prompt_id")
    for ranking, group in groupby(columns.iter_rows(), key=itemgetter(0)):
        _, members, scores, scored, prompt = zip(*group, strict=True)
        setting = pairing if scored[0] else without_margins
        found = couples(scores, setting, partial(itemgetter(0), prompt))
        for number, (better, worse, margin) in enumerate(found.kept):
            made.append((ranking, number, members[better], members[worse], margin))
        left += [(ranking, number, members[at]) for number, at in enumerate(found.left_over)]
    place = {"ranking": pl.UInt32, "number": pl.UInt32}
    return (
        pl.DataFrame(
            made, place | {"one": pl.UInt32, "other": pl.UInt32, "margin": pl.Float64}, orient="row"
        ),
        pl.DataFrame(left, place | {"one": pl.UInt32}, orient="row"),
    )


class _Plan(NamedTuple):
    """Which rows a part will have.

    Attributes:
        order: in order: `ranking`, the row `at` of the part or, beyond its end, of `new`, and `how` it
            came: `beside` any ranking, `kept`, or `new`.
        new: `ranking` and one node for each side.
        gone: rows of the part that the policy does not make.
        unclear: rows `at` and the `reason` why their ranking could not be rebuilt.
    """

    order: pl.DataFrame
    new: pl.DataFrame
    gone: pl.Series
    unclear: pl.DataFrame


def _plan(part: str, rows: pl.DataFrame, rankings: Rankings, wanted: pl.DataFrame) -> _Plan:
    here, ends = _of(rows, part), _ENDS[part]
    used = _of(rankings.rows, part).select("at", "ranking", **ends)
    unclear = used.join(rankings.unclear, on="ranking", how="inner", maintain_order="left")
    clear = used.join(rankings.unclear, on="ranking", how="anti", maintain_order="left")
    found = wanted.with_columns(**ends).join(
        clear.drop("ranking"), on=list(ends), how="left", maintain_order="left"
    )
    kept, new = (
        found.filter(missing) for missing in (pl.col("at").is_not_null(), pl.col("at").is_null())
    )
    beside = here.filter(~pl.col("used")).select("ranking", "at")
    if part != "pairs":  # a tie or a rating of an unclear ranking is still one
        beside = pl.concat([beside, unclear.select("ranking", "at")])
    after = pl.int_range(pl.len(), dtype=pl.UInt32) + here.height
    order = pl.concat(
        [
            beside.select("ranking", "at", number=pl.lit(0, pl.UInt32), how=pl.lit("beside")),
            kept.select("ranking", "at", "number", how=pl.lit("kept")),
            new.select("ranking", after.alias("at"), "number", how=pl.lit("new")),
        ]
    )
    return _Plan(
        order=order.sort("ranking", "number", "at"),
        new=new.rename(dict(zip(("one", "other"), SIDES[part], strict=False))),
        gone=clear.join(kept, on="at", how="anti", maintain_order="left")["at"],
        unclear=unclear,
    )


_ENDS = {
    "pairs": {"better": pl.col("one"), "worse": pl.col("other")},
    "ties": {"low": pl.min_horizontal("one", "other"), "high": pl.max_horizontal("one", "other")},
    "unpaired": {"of": pl.col("one")},
}


def _made(part: str, rows: pl.DataFrame, plan: _Plan, anew: Anew) -> Made:
    whole = pl.concat([rows, anew.rows(part, plan.new)], how="vertical_relaxed")
    came = plan.order["how"]
    return Made(
        rows=whole[plan.order["at"]],
        kept=int((came != "new").sum()),
        new=int((came == "new").sum()),
        gone=rows[plan.gone],
    )


def _weighted(pairs: pl.DataFrame, plan: _Plan, pairing: Pairing) -> pl.DataFrame:
    """Returns the pairs with the weights of their new rankings, or without those of the old ones."""
    # without weights, a ranking of one pair has lost its own as well, although it is not paired anew
    weightless = pairs["meta"].str.contains('"pair_weight"', literal=True)
    remade = plan.order["how"] != "beside" if pairing.weights else weightless
    number = plan.order.select(pl.len().over("ranking", pl.col("how") != "beside")).to_series()
    at = remade.arg_true()
    texts = [
        _with_weight(meta, 1 / pairs_of_ranking if pairing.weights else None)
        for meta, pairs_of_ranking in zip(pairs["meta"][at], number[at], strict=True)
    ]
    return pairs.with_columns(pairs["meta"].scatter(at, texts)) if texts else pairs


def _with_weight(text: str, weight: float | None) -> str:
    meta: dict[str, Any] = msgspec.json.decode(text)
    meta.pop("pair_weight", None)
    return frame.json_meta(with_additions(meta, {"pair_weight": weight}))


def _removed(pairs: pl.DataFrame, plan: _Plan) -> pl.DataFrame:
    return pairs[plan.unclear["at"]].with_columns(plan.unclear["reason"])
