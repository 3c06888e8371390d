"""APO-zero, for chosen answers better than the model's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefalign.losses.dpo_losses import dpo_loss

if TYPE_CHECKING:
    from torch import Tensor

    from prefalign.losses import PairLogps
    from prefalign.losses.dpo import Dpo


@dpo_loss(paper="2408.06266")
def apo_zero(logps: PairLogps, params: Dpo) -> Tensor:
    """Chosen becomes likelier and rejected less likely (D'Oosterlinck et al. 2024), eq. 7."""
    chosen = params.beta * logps.chosen_log_ratio
    rejected = params.beta * logps.rejected_log_ratio
    return (-chosen).sigmoid() + rejected.sigmoid()
