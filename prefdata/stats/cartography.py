"""What a model's margins over the course of its training say about each pair.

Dataset cartography (Swayamdipta et al. 2020, arXiv:2009.10795) for pairs: the probability of the label
is that of Bradley and Terry under DPO's implicit reward (arXiv:2305.18290, eq. 5 and 6).
"""

from __future__ import annotations

import polars as pl

SCHEMA = pl.Schema(
    {
        "id": pl.String,
        "evaluations": pl.UInt32,
        "confidence": pl.Float64,
        "variability": pl.Float64,
        "correctness": pl.Float64,
        "validation_loss": pl.Float64,
        "perplexity": pl.Float64,
    }
)


def cartography(scores: pl.DataFrame, beta: float) -> pl.DataFrame:
    """Returns where each pair stands on the map, in the order of ids.

    Args:
        scores: one row for each pair and evaluation; see `prefdata.scores.read_scores`.
        beta: probability = sigmoid(beta x margin), the margin in nats.

    Returns:
        Columns as in `SCHEMA`. `evaluations` counts those that scored the pair against a reference,
        `confidence` is the mean of its label's probability over them (section 2), `variability` the
        standard deviation, `correctness` the share in which the label is likelier than the other one,
        `validation_loss` the mean of DPO's loss, -ln of the probability; these four are null where
        none did. `perplexity` is that of a token of chosen when it was last scored; null where tokens
        are not counted.
    """
    margin = (pl.col("chosen_logps") - pl.col("ref_chosen_logps")) - (
        pl.col("rejected_logps") - pl.col("ref_rejected_logps")
    )
    probability = 1 / (1 + (-beta * margin).exp())
    loss = (-beta * margin).clip(0) + (-(beta * margin).abs()).exp().log1p()  # no overflow
    perplexity = (-pl.col("chosen_logps") / pl.col("chosen_tokens")).exp()
    return (
        scores.sort("id", "step", nulls_last=False)
        .group_by("id", maintain_order=True)
        .agg(
            margin.count().alias("evaluations"),
            probability.mean().alias("confidence"),
            probability.std(ddof=0).alias("variability"),
            (margin > 0).mean().alias("correctness"),
            loss.mean().alias("validation_loss"),
            perplexity.last().alias("perplexity"),
        )
        .cast(SCHEMA)
    )
