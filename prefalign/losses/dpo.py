"""DPO and its noise-aware form cDPO."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from prefalign.losses import LossParams, PairLogps, Terms, loss


class Dpo(LossParams):
    """Direct Preference Optimization, arXiv:2305.18290."""

    name: Literal["dpo"] = "dpo"
    beta: float = Field(0.1, gt=0, description="temperature of the implicit reward")
    label_smoothing: float = Field(0.0, ge=0, lt=0.5, description="cDPO: share of flipped labels")


@loss(Dpo, paper="2305.18290", needs_reference=True, length_normalised=False)
def dpo(logps: PairLogps, params: Dpo) -> Terms:
    """DPO with the sigmoid loss; `label_smoothing` > 0 is conservative DPO.

    Eq. 7 of the paper, and eq. 3 of https://ericmitchell.ai/cdpo.pdf; (B,) nats.
    """
    from torch.nn.functional import logsigmoid

    margin = params.beta * logps.log_ratio_margin
    kept, flipped = 1 - params.label_smoothing, params.label_smoothing
    return Terms(pairs=-kept * logsigmoid(margin) - flipped * logsigmoid(-margin))
