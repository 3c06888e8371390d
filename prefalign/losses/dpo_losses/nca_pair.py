"""NCA: each completion is told from samples of the reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefalign.losses.dpo_losses import dpo_loss

if TYPE_CHECKING:
    from torch import Tensor

    from prefalign.losses import PairLogps
    from prefalign.losses.dpo import Dpo


@dpo_loss(paper="2402.05369")
def nca_pair(logps: PairLogps, params: Dpo) -> Tensor:
    """Noise contrast of chosen and rejected with the reference (Chen et al. 2024), of two answers."""
    from torch.nn.functional import logsigmoid

    chosen = params.beta * logps.chosen_log_ratio
    rejected = params.beta * logps.rejected_log_ratio
    noise = logsigmoid(-chosen) + logsigmoid(-rejected)
    return -logsigmoid(chosen) - 0.5 * noise
