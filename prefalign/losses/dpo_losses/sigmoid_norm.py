"""DPO per token: a longer completion has no larger margin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefalign.losses.dpo_losses import dpo_loss

if TYPE_CHECKING:
    from torch import Tensor

    from prefalign.losses import PairLogps
    from prefalign.losses.dpo import Dpo


@dpo_loss(paper="2411.15124", length_normalised=True)
def sigmoid_norm(logps: PairLogps, params: Dpo) -> Tensor:
    """-log sigmoid of the margin of log-ratios per token.

    Length-normalised DPO of Tulu 3 (Lambert et al. 2024), where `beta` is larger, 5.
    """
    from torch.nn.functional import logsigmoid

    chosen = logps.chosen_log_ratio / logps.chosen_tokens
    rejected = logps.rejected_log_ratio / logps.rejected_tokens
    return -logsigmoid(params.beta * (chosen - rejected))
