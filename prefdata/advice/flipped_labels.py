"""How many labels are the other way round, by how often two judgements of one pair disagree.

Two judges who are wrong independently, each with probability e, disagree with probability c = 2 e (1 - e).
So e = (1 - sqrt(1 - 2 c)) / 2, and a label that is the majority of n votes is wrong as often as most of n
draws are. Pairs that are harder than others, and judges who err alike, are not told apart: it is an
estimate for a set, not for a pair.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import polars as pl

from prefdata.advice import Advice, adviser
from prefdata.ballots import ballots, shared
from prefdata.checks import Evidence
from prefdata.edges import preference_edges
from prefdata.stats.intervals import wilson

TOPIC = "flipped labels"
LEAST_ITEMS = 30  # judged twice; fewer give no estimate
WORTH_IT = 0.02  # a share of flipped labels that a loss can be told of
_COUNTS = ("for", "against")


class _Disagreement(NamedTuple):
    """Items judged twice or more.

    Attributes:
        items: counts of judgements for either side, columns `for` and `against`.
        by: what the judgements are.
    """

    items: pl.DataFrame
    by: str


@adviser(TOPIC)
def flipped_labels(data: Evidence) -> Advice:
    """Returns robust DPO with the estimated share, or soft labels where the votes are there."""
    voted = data.once(_votes)
    judged = voted if voted.items.height >= LEAST_ITEMS else data.once(_repeats)
    if judged.items.height < LEAST_ITEMS:
        return Advice(
            topic=TOPIC,
            measured=f"unknown: fewer than {LEAST_ITEMS} pairs were judged twice; have some judged again",
        )
    share, low, high = _disagreement(judged.items)
    votes = _votes_a_label(judged)
    value, least, most = (label_error(flip_rate(c), votes) for c in (share, low, high))
    measured = (
        f"two {judged.by} of one pair disagree in {share:.1%} of {judged.items.height:,} cases, so"
        f" that about {value:.1%} of the labels are the other way round (95 % CI {least:.1%} to {most:.1%})"
    )
    found = Advice(topic=TOPIC, measured=measured, value=value, low=least, high=most)
    if least < WORTH_IT:
        return found
    if judged is voted and voted.items.height >= data.pairs.height / 2:
        return found.model_copy(
            update={
                "settings": {"method.labels": "votes"},
                "reason": "most pairs have several votes: each label counts with its share of them",
                "source": "cDPO, Mitchell 2023, ericmitchell.ai/cdpo.pdf",
            }
        )
    return found.model_copy(
        update={
            "settings": {
                "method.loss": "robust",
                "method.label_smoothing": min(round(value, 2), 0.49),
            },
            "reason": "this loss is unbiased if that share of the labels is flipped at random",
            "source": "rDPO, arXiv:2403.00409, eq. 7",
        }
    )


def flip_rate(disagreement: float) -> float:
    """Returns e of one judgement from the share c of two judgements that disagree."""
    return (1 - math.sqrt(max(0.0, 1 - 2 * disagreement))) / 2


def label_error(flip: float, votes: np.ndarray) -> float:
    """Returns how often the majority of `votes` judgements is wrong, each wrong with probability `flip`.

    A draw counts one half.

    Args:
        flip: of one judgement.
        votes: (L,) judgements behind each label.
    """
    sizes, labels = np.unique(votes, return_counts=True)
    return float(np.average([_majority_error(flip, int(size)) for size in sizes], weights=labels))


def _majority_error(flip: float, votes: int) -> float:
    chances = [
        math.comb(votes, wrong) * flip**wrong * (1 - flip) ** (votes - wrong)
        for wrong in range(votes + 1)
    ]
    draw = chances[votes // 2] / 2 if votes % 2 == 0 else 0.0
    return sum(chances[votes // 2 + 1 :]) + draw


def _disagreement(items: pl.DataFrame) -> tuple[float, float, float]:
    """Returns the mean share of an item's judgements that disagree two by two, with its interval."""
    up, down = (pl.col(name) for name in _COUNTS)
    both = up + down
    share = items.select(2 * up * down / (both * (both - 1))).to_series()
    total = float(share.sum())
    return total / len(share), *wilson(total, len(share))


def _votes_a_label(judged: _Disagreement) -> np.ndarray:
    """Returns (L,) how many judgements stand behind a label: all votes, or one record of several."""
    if judged.by == "votes":
        return judged.items.select(pl.sum_horizontal(_COUNTS)).to_series().to_numpy()
    return np.ones(1, np.int64)


def _votes(data: Evidence) -> _Disagreement:
    """Returns the items with two votes for a side, or more."""
    votes = shared(data.once(ballots))
    says = pl.col("says").cast(pl.Int64)
    items = votes.group_by("item", maintain_order=True).agg(
        **{"for": (says > 0).sum(), "against": (says < 0).sum()}
    )
    return _Disagreement(items.select(_COUNTS), "votes")


def _repeats(data: Evidence) -> _Disagreement:
    """Returns the pairs of completions that stand in the set twice, in either direction."""
    edges = data.once(preference_edges).filter(pl.col("winner") != pl.col("loser"))
    up = pl.col("winner") < pl.col("loser")
    items = (
        edges.group_by(
            pl.min_horizontal("winner", "loser").alias("low"),
            pl.max_horizontal("winner", "loser").alias("high"),
        )
        .agg(**{"for": up.sum().cast(pl.Int64), "against": (~up).sum().cast(pl.Int64)})
        .filter(pl.sum_horizontal(_COUNTS) > 1)
    )
    return _Disagreement(items.select(_COUNTS), "records")
