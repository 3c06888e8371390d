"""Whether the chosen answers are ones that the model could have given."""

from __future__ import annotations

import polars as pl

from prefdata.advice import Advice, adviser
from prefdata.checks import Evidence
from prefdata.shortcuts.learning import learning_map
from prefdata.stats.intervals import wilson

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
    low, high = wilson(hits, len(perplexity))
    found = Advice(
        topic=TOPIC,
        measured=f"a token of chosen has more than {TIMES:.0f} times the usual perplexity in"
        f" {hits / len(perplexity):.1%} of {len(perplexity):,} pairs (95 % CI {low:.1%} to {high:.1%})",
        value=hits / len(perplexity),
        low=low,
        high=high,
    )
    if low <= WORTH_IT:
        return found
    return found.model_copy(
        update={
            "settings": {"method.wpo": True},
            "reason": "pairs count by how likely the model is to write them, as if it had",
            "source": "WPO, arXiv:2406.11827, eq. 4",
        }
    )
