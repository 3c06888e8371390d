"""f-divergences: how the distance to the reference becomes a score of a completion (f-DPO).

The implicit reward of a completion is beta f'(u) for its ratio u of policy to reference, plus a
normaliser that only the prompt decides. Two kinds of loss have no use for an f' other than log, and are
refused with one. A loss that looks at chosen and rejected apart (apo, nca, sppo, bco, aot) keeps the
normaliser, which no one knows. And a loss of log-ratios per token (ipo, sigmoid_norm) relies on log u
being a sum over tokens, so that its mean is the log of a token's ratio: f'(u) / length is the score of
nothing, and where f' is bounded, as forward_kl's is by 1 from above, a long completion could never win
by much. TRL computes the latter two all the same.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from torch import Tensor

    from prefalign.losses import PairLogps
    from prefalign.losses.dpo import Dpo

FDivergence: TypeAlias = Literal["reverse_kl", "forward_kl", "js", "alpha"]

_MOST = 80.0
"""Largest exponent, as in TRL: exp(80) and what losses make of it stay finite in float32."""


def score_margin(logps: PairLogps, params: Dpo) -> Tensor:
    """Returns (B,) the score of chosen minus that of rejected; with reverse KL, of log-ratios."""
    return score(logps.chosen_log_ratio, params) - score(logps.rejected_log_ratio, params)


def score(log_ratio: Tensor, params: Dpo) -> Tensor:
    """Returns f'(u) for u = exp(log_ratio), elementwise.

    Table 1 of f-DPO (Wang et al. 2023, arXiv:2309.16240): the implicit reward is beta f'(u), up to a
    term of the prompt alone.
    """
    match params.f_divergence:
        case "reverse_kl":
            return log_ratio
        case "forward_kl":  # alpha-divergence at alpha = 0
            return _alpha_score(log_ratio, 0.0)
        case "js":
            from torch.nn.functional import logsigmoid

            return math.log(2) + logsigmoid(log_ratio)
        case "alpha":
            return _alpha_score(log_ratio, params.f_alpha)


def _alpha_score(log_ratio: Tensor, alpha: float) -> Tensor:
    """Returns (u^(alpha - 1) - 1) / (alpha - 1), whose limit at alpha = 1 is log u."""
    power = alpha - 1
    if power == 0:
        return log_ratio
    return (power * log_ratio).clamp(max=_MOST).expm1() / power
