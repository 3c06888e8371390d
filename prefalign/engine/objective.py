"""From log-probs to the loss of the global batch: the one place that normalises."""

from __future__ import annotations

from torch import Tensor

from prefalign.engine.logps import Batch, SegmentLogps
from prefalign.losses import Loss, LossParams, NllParams, PairLogps, Terms


def pair_logps(sums: SegmentLogps, batch: Batch, loss: Loss, params: LossParams) -> PairLogps:
    """Returns what `loss` may know of the batch."""
    chosen_tokens, rejected_tokens = batch["completion_tokens"].chunk(2)
    reference = batch["reference"].to(sums.chosen) if loss.needs_reference else None
    reference_chosen, reference_rejected = (
        reference.chunk(2) if reference is not None else (None, None)
    )
    nll = None
    if isinstance(params, NllParams):
        nll = -(sums.chosen + sums.prompt) if params.nll_over == "all" else -sums.chosen
    return PairLogps(
        sums.chosen,
        sums.rejected,
        chosen_tokens,
        rejected_tokens,
        reference_chosen,
        reference_rejected,
        nll,
    )


def share_of_loss(terms: Terms, batch: Batch) -> Tensor:
    """Returns what this micro-batch adds to the loss of its global batch, () nats.

    The sum over all micro-batches of all processes is the mean over the global batch's pairs plus,
    where the loss has an NLL term, the mean over its NLL tokens. So neither accumulation nor the
    number of processes changes the loss.
    """
    weights = batch["weights"].to(terms.pairs)
    share = (weights * terms.pairs).sum() / batch["global_pairs"]
    if terms.tokens is not None:
        share = share + (weights * terms.tokens).sum() / batch["global_nll_tokens"]
    return share
