"""Point values of what a model says about pairs, for `metrics.jsonl`; keys say sum or mean."""

from __future__ import annotations

from prefalign.metrics import PairScores, margins, wins


def summary(scores: PairScores, reference: PairScores | None = None) -> dict[str, float]:
    """Returns the metrics of N > 0 pairs; those relative to a reference only if it is given.

    Logs of different methods compare, because every method is logged with the same ones. `logps_sum`
    is nats per completion, `logps_mean` nats per token; a tie counts one half in an accuracy.
    """
    chosen, rejected = scores.chosen_logps, scores.rejected_logps
    mean_chosen, mean_rejected = chosen / scores.chosen_tokens, rejected / scores.rejected_tokens
    values = {
        "accuracy_sum": wins(chosen - rejected).mean(),
        "accuracy_mean": wins(mean_chosen - mean_rejected).mean(),
        "logps_sum/chosen": chosen.mean(),
        "logps_sum/rejected": rejected.mean(),
        "logps_mean/chosen": mean_chosen.mean(),
        "logps_mean/rejected": mean_rejected.mean(),
        "nll_chosen": -chosen.sum() / scores.chosen_tokens.sum(),
    }
    if reference is not None:
        margin = margins(scores, reference)
        moved_chosen = (chosen - reference.chosen_logps).sum()
        moved_rejected = (rejected - reference.rejected_logps).sum()
        values |= {
            "accuracy_reference": wins(margin).mean(),
            "margin_reference": margin.mean(),
            "drift_chosen": moved_chosen / scores.chosen_tokens.sum(),
            "drift_rejected": moved_rejected / scores.rejected_tokens.sum(),
        }
    return {name: float(value) for name, value in values.items()}
