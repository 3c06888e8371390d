"""ORPO: a language-modelling loss on chosen and an odds-ratio penalty, without a reference."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from prefalign.losses import NllParams, PairLogps, Terms, loss

if TYPE_CHECKING:
    from torch import Tensor


class Orpo(NllParams):
    """Odds Ratio Preference Optimization, arXiv:2403.07691."""

    name: Literal["orpo"] = "orpo"
    lambda_: float = Field(0.1, gt=0, description="weight of the odds-ratio term (TRL: beta)")


@loss(Orpo, paper="2403.07691", needs_reference=False, length_normalised=True)
def orpo(logps: PairLogps, params: Orpo) -> Terms:
    """ORPO, eqs. 6 and 7; the probability in the odds is the geometric mean over tokens (eq. 3)."""
    from torch.nn.functional import logsigmoid

    odds_ratio = log_odds(logps.mean_chosen) - log_odds(logps.mean_rejected)
    return Terms(pairs=-params.lambda_ * logsigmoid(odds_ratio), tokens=logps.nll)


def log_odds(logp: Tensor) -> Tensor:
    """Returns log(p / (1 - p)) for p = exp(logp), elementwise (eq. 4)."""
    return logp - log1mexp(logp)


def log1mexp(x: Tensor) -> Tensor:
    """Returns log(1 - exp(x)) for x <= 0, accurate in value and gradient at both ends.

    Two formulas, each used where it loses no digits (Maechler 2012, "Accurately computing
    log(1 - exp(-|a|))"). Each sees only arguments from its own side: a `where` around the results
    alone would let the unused formula put 0 * inf = NaN into the gradient. x = 0 stands for a
    probability that rounds to 1; it counts as the largest x below 0.
    """
    import torch

    x = x.clamp(max=-torch.finfo(x.dtype).tiny)
    near_zero = x > -math.log(2)
    minus_log2 = torch.full_like(x, -math.log(2))
    close = torch.log(-torch.expm1(torch.where(near_zero, x, minus_log2)))
    far = torch.log1p(-torch.exp(torch.where(near_zero, minus_log2, x)))
    return torch.where(near_zero, close, far)
