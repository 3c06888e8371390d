"""AOT: the policy's margins are to be above the reference's as distributions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefalign.losses import given
from prefalign.losses.dpo_losses import dpo_loss

if TYPE_CHECKING:
    from torch import Tensor

    from prefalign.losses import PairLogps
    from prefalign.losses.dpo import Dpo


@dpo_loss(paper="2406.05882", reads=("label_smoothing",), pair_separable=False)
def aot(logps: PairLogps, params: Dpo) -> Tensor:
    """-log sigmoid of sorted margins of the policy minus those of the reference.

    Melnyk et al. 2024, paired. Element i is of the i-th smallest margins, not of
    pair i: the pairs have to be those of the whole global batch.
    """
    from torch.nn.functional import logsigmoid

    policy = (logps.chosen - logps.rejected).sort().values
    reference_chosen = given(logps.reference_chosen, "needs_reference")
    reference_rejected = given(logps.reference_rejected, "needs_reference")
    reference = (reference_chosen - reference_rejected).sort().values
    margin = params.beta * (policy - reference)
    right = 1 - params.label_smoothing
    return -right * logsigmoid(margin) - params.label_smoothing * logsigmoid(-margin)
