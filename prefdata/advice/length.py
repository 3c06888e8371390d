"""Whether length alone tells which side is better."""

from __future__ import annotations

from prefdata.advice import Advice, adviser
from prefdata.checks import Evidence
from prefdata.expressions import characters
from prefdata.stats.intervals import wilson

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
    low, high = wilson(hits, longer + shorter)
    share = hits / (longer + shorter)
    found = Advice(
        topic=TOPIC,
        measured=f"{side} is longer in {share:.1%} of {longer + shorter:,} pairs with sides of different"
        f" lengths (95 % CI {low:.1%} to {high:.1%})",
        value=share,
        low=low,
        high=high,
    )
    if low <= WORTH_IT:
        return found
    return found.model_copy(
        update={
            "settings": {"method.loss": "sigmoid_norm", "method.beta": _BETA},
            "reason": "log-probs per token do not grow with length as their sums do; beta is larger"
            " because the margins are smaller",
            "source": "Tulu 3, arXiv:2411.15124; why: Park et al. 2024, arXiv:2403.19159",
        }
    )
