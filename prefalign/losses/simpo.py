"""SimPO: log-probs per token and a target margin, without a reference."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from prefalign.losses import LossParams, PairLogps, Terms, loss


class Simpo(LossParams):
    """Simple Preference Optimization, arXiv:2405.14734."""

    name: Literal["simpo"] = "simpo"
    beta: float = Field(2.0, gt=0, description="scale of the reward per token")
    gamma: float = Field(1.0, ge=0, description="margin by which chosen's reward is to win")


@loss(Simpo, paper="2405.14734", needs_reference=False, length_normalised=True)
def simpo(logps: PairLogps, params: Simpo) -> Terms:
    """SimPO, eq. 6; (B,) nats."""
    from torch.nn.functional import logsigmoid

    margin = params.beta * (logps.mean_chosen - logps.mean_rejected)
    return Terms(pairs=-logsigmoid(margin - params.gamma))
