"""DPO's own loss, and with noisy labels cDPO."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefalign.losses import given
from prefalign.losses.divergence import score_margin
from prefalign.losses.dpo_losses import dpo_loss

if TYPE_CHECKING:
    from torch import Tensor

    from prefalign.losses import PairLogps
    from prefalign.losses.dpo import Dpo


@dpo_loss(paper="2305.18290", reads=("f_divergence", "label_smoothing", "labels"))
def sigmoid(logps: PairLogps, params: Dpo) -> Tensor:
    """-log sigmoid of the margin; with label noise, the cross-entropy to the noisy label.

    DPO (Rafailov et al. 2023), eq. 7; cDPO, eq. 3 of https://ericmitchell.ai/cdpo.pdf, where the
    probability that the label is right is 1 - label_smoothing or, with `labels: votes`, the pair's
    own.
    """
    from torch.nn.functional import logsigmoid

    margin = params.beta * score_margin(logps, params)
    right: Tensor | float = 1 - params.label_smoothing
    if params.labels == "votes":
        right = given(logps.label_probability, "needs_label_probability")
    return -right * logsigmoid(margin) - (1 - right) * logsigmoid(-margin)
