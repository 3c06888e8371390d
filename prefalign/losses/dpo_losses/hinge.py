"""The hinge loss of SLiC-HF."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefalign.losses.divergence import score_margin
from prefalign.losses.dpo_losses import dpo_loss

if TYPE_CHECKING:
    from torch import Tensor

    from prefalign.losses import PairLogps
    from prefalign.losses.dpo import Dpo


@dpo_loss(paper="2305.10425", reads=("f_divergence",))
def hinge(logps: PairLogps, params: Dpo) -> Tensor:
    """What the margin lacks to 1 (Zhao et al. 2023); with log-ratios, as in RSO (arXiv:2309.06657)."""
    return (1 - params.beta * score_margin(logps, params)).relu()
