"""Which model wins: how often each one does, ordered by strength."""

from __future__ import annotations

import numpy as np
import polars as pl

from prefdata.checks import Evidence
from prefdata.report.model import ModelRecord
from prefdata.report.shares import share
from prefdata.stats.bradley_terry import bradley_terry

_MODELS = 12
_RIDGE = 0.1  # a model that never lost gets a finite strength


def models(data: Evidence) -> list[ModelRecord]:
    """Returns the models that stand in most pairs, the strongest first; none where there are no two.

    The strengths are those of a Bradley-Terry model of the pairs between them, drawn slightly together.
    """
    sides = ["chosen_model", "rejected_model"]
    games = data.pairs.select(sides).drop_nulls().filter(pl.col(sides[0]) != pl.col(sides[1]))
    met = pl.concat([games[side].alias("model") for side in sides]).value_counts()
    most = met.sort("count", "model", descending=[True, False]).head(_MODELS)["model"]
    if len(most) < 2:
        return []
    index = {name: place for place, name in enumerate(most)}
    between = games.filter(pl.all_horizontal(pl.col(sides).is_in(most.implode())))
    wins = np.zeros((len(most), len(most)))
    for winner, loser, count in between.group_by(sides).len().rows():
        wins[index[winner], index[loser]] = count
    won, lost = wins.sum(axis=1), wins.sum(axis=0)
    records = [
        ModelRecord(model=name, strength=strength, won=share(int(won[at]), int(won[at] + lost[at])))
        for (name, at), strength in zip(index.items(), bradley_terry(wins, _RIDGE), strict=True)
        if won[at] + lost[at]
    ]
    return sorted(records, key=lambda record: (-record.strength, record.model))
