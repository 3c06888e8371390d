"""IPO: the margin is to reach a value, not to grow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefalign.losses.dpo_losses import dpo_loss

if TYPE_CHECKING:
    from torch import Tensor

    from prefalign.losses import PairLogps
    from prefalign.losses.dpo import Dpo


@dpo_loss(paper="2310.12036", length_normalised=True)
def ipo(logps: PairLogps, params: Dpo) -> Tensor:
    """Squared distance of the margin per token to 1 / (2 beta).

    Azar et al. 2023, eq. 17; `beta` is the paper's tau. Each side is averaged over its own tokens,
    as its authors did for their results (and TRL does), though the paper writes sums.
    """
    chosen = logps.chosen_log_ratio / logps.chosen_tokens
    rejected = logps.rejected_log_ratio / logps.rejected_tokens
    return (chosen - rejected - 1 / (2 * params.beta)) ** 2
