"""APO-down, for chosen answers worse than the model's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefalign.losses.dpo_losses import dpo_loss

if TYPE_CHECKING:
    from torch import Tensor

    from prefalign.losses import PairLogps
    from prefalign.losses.dpo import Dpo


@dpo_loss(paper="2408.06266")
def apo_down(logps: PairLogps, params: Dpo) -> Tensor:
    """Chosen becomes less likely and rejected more so (D'Oosterlinck et al. 2024), eq. 8."""
    chosen = params.beta * logps.chosen_log_ratio
    margin = params.beta * logps.log_ratio_margin
    return chosen.sigmoid() + (-margin).sigmoid()
