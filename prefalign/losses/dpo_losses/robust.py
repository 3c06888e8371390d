"""Robust DPO: an unbiased estimate of the loss on clean labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefalign.losses.divergence import score_margin
from prefalign.losses.dpo_losses import dpo_loss

if TYPE_CHECKING:
    from torch import Tensor

    from prefalign.losses import PairLogps
    from prefalign.losses.dpo import Dpo


@dpo_loss(paper="2403.00409", reads=("f_divergence", "label_smoothing"))
def robust(logps: PairLogps, params: Dpo) -> Tensor:
    """The loss on the label minus what flipped labels add to it, rescaled.

    ((1 - e) l(margin) - e l(-margin)) / (1 - 2 e) with l = -log sigmoid, Chowdhury et al. 2024;
    e, `label_smoothing`, is the share of flipped labels. Not bounded
    below: what is sure to be right earns more than a flipped label costs.
    """
    from torch.nn.functional import logsigmoid

    margin = params.beta * score_margin(logps, params)
    flipped = params.label_smoothing
    clean = (1 - flipped) * logsigmoid(margin) - flipped * logsigmoid(-margin)
    return -clean / (1 - 2 * flipped)
