"""DiscoPOP: a loss that a language model found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefalign.losses.divergence import score_margin
from prefalign.losses.dpo_losses import dpo_loss

if TYPE_CHECKING:
    from torch import Tensor

    from prefalign.losses import PairLogps
    from prefalign.losses.dpo import Dpo


@dpo_loss(paper="2406.08414", reads=("f_divergence", "discopop_tau"))
def discopop(logps: PairLogps, params: Dpo) -> Tensor:
    """A blend of the logistic and the exponential loss, by the size of the margin.

    Lu et al. 2024, eq. 5. exp(-x) sigmoid(x / tau) is one exponential here: as a product it is
    infinity times 0 for a margin far below 0.
    """
    from torch.nn.functional import logsigmoid

    margin = params.beta * score_margin(logps, params)
    scaled = margin / params.discopop_tau
    exponential = (logsigmoid(scaled) - margin).exp()
    return exponential - logsigmoid(margin) * (-scaled).sigmoid()
