"""From log-probs to the loss of the global batch: the one place that normalises."""

from __future__ import annotations

from torch import Tensor

from prefalign.engine.logps import Batch, SegmentLogps
from prefalign.losses import Loss, LossParams, NllParams, PairLogps, Terms


def pair_logps(sums: SegmentLogps, batch: Batch, loss: Loss, params: LossParams) -> PairLogps:
    """Returns what `loss` may know of the batch."""
    chosen_tokens, rejected_tokens = batch["completion_tokens"].chunk(2)
    nll = None
    if isinstance(params, NllParams):
        nll = -(sums.chosen + sums.prompt) if params.nll_over == "all" else -sums.chosen
    logps = PairLogps(
        sums.chosen,
        sums.rejected,
        chosen_tokens,
        rejected_tokens,
        nll=nll,
        chosen_tail=sums.chosen_tail,
        rejected_tail=sums.rejected_tail,
        chosen_log_sum_sq=sums.chosen_log_sum_sq,
        rejected_log_sum_sq=sums.rejected_log_sum_sq,
        label_probability=batch.get("label_probability"),
    )
    return logps._replace(**_reference(batch, sums)) if loss.needs_reference else logps


_REFERENCE = (
    "reference_chosen", "reference_rejected", "reference_chosen_tail", "reference_rejected_tail",
)  # fmt: skip


def _reference(batch: Batch, sums: SegmentLogps) -> dict[str, Tensor]:
    """Returns the fields of `PairLogps` that the batch has of the reference."""
    rows = batch["reference"].to(sums.chosen).view(-1, len(sums.chosen))
    return dict(zip(_REFERENCE, rows, strict=False))


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
