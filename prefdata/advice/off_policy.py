"""Whether the chosen answers are ones that the model could have given."""

from __future__ import annotations

import polars as pl

from prefdata.advice import Advice, adviser, on_share
from prefdata.checks import Evidence
from prefdata.shortcuts.learning import learning_map

TOPIC = "off-policy"
TIMES = 5.0  # the median perplexity: beyond it an answer is unlikely
WORTH_IT = 0.1  # of the pairs
LEAST = 10  # pairs


@adviser(TOPIC)
def off_policy(data: Evidence) -> Advice:
    """Returns weights by likelihood where many chosen answers are far from the model's own."""
    perplexity = data.once(learning_map)["perplexity"].drop_nulls()
    if len(perplexity) < LEAST:
        return Advice(
            topic=TOPIC,
            measured="unknown: needs --scores, the record of a run, with token counts",
        )
    hits = int((perplexity > TIMES * pl.Series([perplexity.median()])).sum())
    return on_share(
        Advice(
            topic=TOPIC,
            measured=f"a token of chosen has more than {TIMES:.0f} times the usual perplexity in"
            f" {hits / len(perplexity):.1%} of {len(perplexity):,} pairs",
            settings={"method.wpo": True},
            reason="pairs count by how likely the model is to write them, as if it had",
            source="WPO, arXiv:2406.11827, eq. 4",
        ),
        hits,
        len(perplexity),
        worth_it=WORTH_IT,
    )
