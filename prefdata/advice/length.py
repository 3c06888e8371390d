"""Whether length alone tells which side is better."""

from __future__ import annotations

from prefdata.advice import Advice, adviser, on_share
from prefdata.checks import Evidence
from prefdata.expressions import characters

TOPIC = "length bias"
WORTH_IT = 0.55  # share of one direction that a sum of log-probs turns into a habit
_BETA = 5.0  # of the length-normalised loss, whose margins are per token


@adviser(TOPIC)
def length_bias(data: Evidence) -> Advice:
    """Returns a length-normalised loss where one side is longer too often."""
    chosen, rejected = characters("chosen"), characters("rejected")
    longer, shorter = data.pairs.select(
        longer=(chosen > rejected).sum(), shorter=(chosen < rejected).sum()
    ).row(0)
    if longer + shorter == 0:
        return Advice(topic=TOPIC, measured="unknown: no pair has sides of different lengths")
    side, hits = ("chosen", longer) if longer >= shorter else ("rejected", shorter)
    total = longer + shorter
    return on_share(
        Advice(
            topic=TOPIC,
            measured=f"{side} is longer in {hits / total:.1%} of {total:,} pairs with sides of different"
            " lengths",
            settings={"method.loss": "sigmoid_norm", "method.beta": _BETA},
            reason="log-probs per token do not grow with length as their sums do; beta is larger"
            " because the margins are smaller",
            source="Tulu 3, arXiv:2411.15124; why: Park et al. 2024, arXiv:2403.19159",
        ),
        hits,
        total,
        worth_it=WORTH_IT,
    )
