"""BCO's classifier on pairs: chosen is good, rejected is bad."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefalign.losses.dpo_losses import dpo_loss

if TYPE_CHECKING:
    from torch import Tensor

    from prefalign.losses import PairLogps
    from prefalign.losses.dpo import Dpo


@dpo_loss(paper="2404.04656")
def bco_pair(logps: PairLogps, params: Dpo) -> Tensor:
    """Cross-entropy of two labels (Jung et al. 2024); as in TRL, without the moving reward shift."""
    from torch.nn.functional import logsigmoid

    chosen = logsigmoid(params.beta * logps.chosen_log_ratio)
    rejected = logsigmoid(-params.beta * logps.rejected_log_ratio)
    return -chosen - rejected
