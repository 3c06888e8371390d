"""A trained model's scores, put beside the pairs that rules look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from prefdata.stats.cartography import SCHEMA, cartography

if TYPE_CHECKING:
    from prefdata.checks import Evidence

BETA = 0.1


def learning_map(data: Evidence, beta: float = BETA) -> pl.DataFrame:
    """Returns `index` and the columns of `prefdata.stats.cartography` for the pairs with scores."""
    if data.scores is None:
        return pl.DataFrame(schema={"index": pl.UInt32, **SCHEMA})
    places = data.pairs.select("index", "id")
    return places.join(cartography(data.scores, beta), on="id", how="inner", maintain_order="left")
