"""The names of the two models alone tell which side is chosen.

## What it does
Where both sides name different models, guesses in each pair the model that wins more of its other pairs,
and measures how often that is right; a draw counts one half. The rule is broken when the whole 95 %
interval (Wilson) lies above the limit. The message gives Cramér's V of model and label, and the model
that is chosen most reliably.

## Why is this bad?
If the answers of one model are always the chosen ones, everything that tells the models apart tells the
label: length, layout, a favourite opening. A model trained on it learns the other model's accent instead
of what makes an answer good, and pairs of one model with itself are lost on it.

## Example
```csv
prompt,chosen,rejected,chosen_model,rejected_model
Name a colour.,Blue.,Seven.,large,small
Name a fruit.,Fig.,Six.,large,small
Name a city.,Rome.,Five.,large,small
Name a river.,Nile.,Four.,large,small
Name a bird.,Wren.,Three.,large,small
Name a tree.,Oak.,Two.,large,small
Name a metal.,Tin.,One.,large,small
Name a sea.,Aral.,Ten.,large,small
Name a month.,May.,Nine.,large,small
Name a day.,Monday.,Eight.,large,small
Name a game.,Chess.,Zero.,large,small
Name a planet.,Mars.,Fifty.,large,small
Name a drink.,Tea.,Forty.,large,small
Name a stone.,Opal.,Sixty.,large,small
Name a herb.,Mint.,Ninety.,large,small
Name a dance.,Tango.,Twenty.,large,small
```

## Fix
None. Add pairs in which the weaker model wins, or pairs of answers by one model; or accept it:
`rules.model-identity-leak = { max = 1 }`.
"""

from __future__ import annotations

import polars as pl

from prefdata.checks import Estimate, Evidence, dataset_rule
from prefdata.expressions import EXCERPT
from prefdata.stats.intervals import wilson

MODELS = ("chosen_model", "rejected_model")


@dataset_rule("PD311", "model-identity-leak", level="warning", limit=0.8)
def model_identity_leak(data: Evidence) -> Estimate | None:
    """Returns the share of pairs whose label follows from the models' other pairs."""
    cells = (
        data.pairs.select(MODELS)
        .filter(pl.col("chosen_model") != pl.col("rejected_model"))
        .group_by(MODELS)
        .agg(pairs=pl.len().cast(pl.Int64))
    )
    pairs = int(cells["pairs"].sum())
    if not pairs:
        return None
    records = _records(cells)
    hits = _guessed(cells, records)
    message = (
        "the names of the models tell which side is chosen in {} of"
        f" {pairs:,} pairs, Cramér's V {_cramers_v(records):.2f}{_winner(records)}"
    )
    return Estimate(hits / pairs, *wilson(hits, pairs), message)


def _records(cells: pl.DataFrame) -> pl.DataFrame:
    """Returns `model`, `won` and `lost`, in pairs."""
    sides = zip(MODELS, ("won", "lost"), strict=True)
    results = [
        cells.select(
            pl.col(model).alias("model"),
            *(
                (pl.col("pairs") if name == result else pl.lit(0, pl.Int64)).alias(name)
                for name in ("won", "lost")
            ),
        )
        for model, result in sides
    ]
    return pl.concat(results).group_by("model").sum()


def _guessed(cells: pl.DataFrame, records: pl.DataFrame) -> float:
    """Returns in how many pairs the models' other pairs say who wins; a draw counts one half."""
    won, lost = pl.col("won"), pl.col("lost")
    # without the pair itself; a model without others may as well win as lose
    winner = ((won - 1) / (won + lost - 1)).fill_nan(0.5)
    loser = (won / (won + lost - 1)).fill_nan(0.5)
    of_winner = records.select(chosen_model="model", winner=winner)
    of_loser = records.select(rejected_model="model", loser=loser)
    rates = cells.join(of_winner, on="chosen_model").join(of_loser, on="rejected_model")
    right = (pl.col("winner") > pl.col("loser")) + (pl.col("winner") == pl.col("loser")) / 2
    return float(rates.select((right * pl.col("pairs")).sum()).item())


def _cramers_v(records: pl.DataFrame) -> float:
    from scipy.stats.contingency import association

    return float(association(records.select("won", "lost").to_numpy(), method="cramer"))


def _winner(records: pl.DataFrame) -> str:
    """Returns the model whose share of pairs won is most certainly high."""
    rows = [
        (wilson(won, won + lost)[0], name, won, won + lost) for name, won, lost in records.rows()
    ]
    _, name, won, total = max(rows)
    shown = name[:EXCERPT].replace("{", "{{").replace("}", "}}")
    return f"; '{shown}' wins {won:,} of its {total:,}"
