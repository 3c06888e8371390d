"""EXO: the reverse KL to the label's distribution, instead of DPO's forward KL."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from prefalign.losses.divergence import score_margin
from prefalign.losses.dpo_losses import dpo_loss

if TYPE_CHECKING:
    from torch import Tensor

    from prefalign.losses import PairLogps
    from prefalign.losses.dpo import Dpo


@dpo_loss(
    paper="2402.00856",
    reads=("f_divergence", "label_smoothing"),
    requires=("label_smoothing",),
)
def exo_pair(logps: PairLogps, params: Dpo) -> Tensor:
    """KL from the policy's preference to the smoothed label.

    Ji et al. 2024, eq. 16 with two completions; `label_smoothing` has to be above 0, 1e-3 in the
    paper.
    """
    from torch.nn.functional import logsigmoid

    margin = params.beta * score_margin(logps, params)
    log_chosen, log_rejected = logsigmoid(margin), logsigmoid(-margin)
    excess_chosen = log_chosen - math.log1p(-params.label_smoothing)
    excess_rejected = log_rejected - math.log(params.label_smoothing)
    return log_chosen.exp() * excess_chosen + log_rejected.exp() * excess_rejected
