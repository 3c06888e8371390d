"""AOT without pairs: chosen is to be above rejected as a distribution."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefalign.losses.dpo_losses import dpo_loss

if TYPE_CHECKING:
    from torch import Tensor

    from prefalign.losses import PairLogps
    from prefalign.losses.dpo import Dpo


@dpo_loss(paper="2406.05882", reads=("label_smoothing",), pair_separable=False)
def aot_unpaired(logps: PairLogps, params: Dpo) -> Tensor:
    """-log sigmoid of sorted log-ratios of chosen minus sorted log-ratios of rejected.

    Melnyk et al. 2024, unpaired. Element i is of the i-th smallest log-ratios, not of
    pair i: the pairs have to be those of the whole global batch.
    """
    from torch.nn.functional import logsigmoid

    chosen = logps.chosen_log_ratio.sort().values
    rejected = logps.rejected_log_ratio.sort().values
    margin = params.beta * (chosen - rejected)
    right = 1 - params.label_smoothing
    return -right * logsigmoid(margin) - params.label_smoothing * logsigmoid(-margin)
