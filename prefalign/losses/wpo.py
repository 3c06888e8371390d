"""WPO: pairs count as much as the policy itself would write them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefalign.losses import PairLogps, given

if TYPE_CHECKING:
    from torch import Tensor


def pair_weights(logps: PairLogps) -> Tensor:
    """Returns (B,) constant weights of pairs, the product of their completions' weights.

    A completion's weight is the geometric mean over its tokens of p(token) / sum_v p(v)^2: 1 where
    the tokens are as likely as samples of the policy are on average. Eq. 2 of WPO (Zhou et al.
    2024, arXiv:2406.11827) with its sampled alignment.
    """
    chosen = (logps.chosen - given(logps.chosen_log_sum_sq, "needs_log_sum_sq")).detach()
    rejected = (logps.rejected - given(logps.rejected_log_sum_sq, "needs_log_sum_sq")).detach()
    return (chosen / logps.chosen_tokens + rejected / logps.rejected_tokens).exp()
