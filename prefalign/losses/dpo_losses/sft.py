"""Language modelling on chosen, as a term beside a preference loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefalign.losses.dpo_losses import dpo_loss

if TYPE_CHECKING:
    from torch import Tensor

    from prefalign.losses import PairLogps
    from prefalign.losses.dpo import Dpo


@dpo_loss(paper="2404.19733", needs_reference=False, per_token=True)
def sft(logps: PairLogps, _: Dpo) -> Tensor:
    """Negative log-prob of chosen, a sum over its tokens; beside `sigmoid` it makes RPO.

    Pang et al. 2024; as in TRL, a mean over tokens, not over pairs of means.
    """
    return -logps.chosen
