"""What the engine gives to losses so far. A run whose loss needs more is refused when it is read."""

from __future__ import annotations

from collections.abc import Iterator

from prefalign.losses import Facts, LossParams, loss_of

OFFERED: frozenset[str] = frozenset()
"""Fields of `Facts` that the engine honours, besides `needs_reference`."""

_REASONS = {
    "needs_tails": ("ld_alpha", "log-probs by position in the completion"),
    "needs_log_sum_sq": ("wpo", "the sum of squared probabilities of each token's distribution"),
    "needs_label_probability": ("labels", "the votes on each pair"),
    "pair_separable": ("loss", "all pairs of a global batch at once"),
}


def missing(params: LossParams) -> Iterator[tuple[str, str]]:
    """Yields the setting of `params` and the sentence of each thing that the engine cannot give."""
    facts = loss_of(params).facts
    for fact, (setting, what) in _REASONS.items():
        if fact not in OFFERED and _is_asked(facts, fact):
            yield setting, f"it needs {what}, which engine: prefalign does not give yet"


def _is_asked(facts: Facts, fact: str) -> bool:
    value = getattr(facts, fact)
    return not value if fact == "pair_separable" else bool(value)
