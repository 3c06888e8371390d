"""What the pairs are made of: sources and languages."""

from __future__ import annotations

import polars as pl

from prefdata.checks import Evidence
from prefdata.report.model import Breakdown, Portion
from prefdata.texts.languages import languages

_PORTIONS = 10


def sources(data: Evidence) -> Breakdown | None:
    """Returns the pairs by source, or by file where all are of one source."""
    by = "source" if data.pairs["source"].n_unique() > 1 else "file"
    return _breakdown(data.pairs[by])


def prompt_languages(data: Evidence) -> Breakdown | None:
    """Returns the pairs by the language of what was asked, or of chosen where that cannot be told."""
    told = data.once(languages).select(pl.coalesce("prompt", "chosen")).to_series()
    return _breakdown(told.drop_nulls())


def _breakdown(values: pl.Series) -> Breakdown | None:
    """Returns the commonest values, or None where there are no two."""
    counted = values.alias("value").value_counts().sort("count", "value", descending=[True, False])
    if counted.height < 2:
        return None
    return Breakdown(
        portions=[
            Portion(name=name, pairs=pairs) for name, pairs in counted.head(_PORTIONS).rows()
        ],
        values=counted.height,
        told=len(values),
    )
