"""SPPO with the label as the probability of winning."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefalign.losses.dpo_losses import dpo_loss

if TYPE_CHECKING:
    from torch import Tensor

    from prefalign.losses import PairLogps
    from prefalign.losses.dpo import Dpo


@dpo_loss(paper="2405.00675")
def sppo_hard(logps: PairLogps, params: Dpo) -> Tensor:
    """Squared distance of the log-ratios to 1 / (2 beta) and -1 / (2 beta).

    Wu et al. 2024, eq. 4.7 with P = 1 for chosen and 0 for rejected; `beta` is the paper's 1 / eta.
    """
    target = 0.5 / params.beta
    return (logps.chosen_log_ratio - target) ** 2 + (logps.rejected_log_ratio + target) ** 2
