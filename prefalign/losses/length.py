"""LD-DPO: less weight for what a completion says past the length of its rival."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefalign.losses import PairLogps, given

if TYPE_CHECKING:
    from torch import Tensor


def weigh_tails(logps: PairLogps, ld_alpha: float) -> PairLogps:
    """Returns `logps` with every token past the shorter completion's length weighted by `ld_alpha`.

    LD-DPO (Liu et al. 2024, arXiv:2409.06411), on the policy's and, as in TRL, on the
    reference's sums. Token counts stay.
    """

    def weighed(total: Tensor, tail: Tensor | None) -> Tensor:
        return total - (1 - ld_alpha) * given(tail, "needs_tails")

    changed = {
        "chosen": weighed(logps.chosen, logps.chosen_tail),
        "rejected": weighed(logps.rejected, logps.rejected_tail),
    }
    if logps.reference_chosen is not None and logps.reference_rejected is not None:
        changed |= {
            "reference_chosen": weighed(logps.reference_chosen, logps.reference_chosen_tail),
            "reference_rejected": weighed(logps.reference_rejected, logps.reference_rejected_tail),
        }
    return logps._replace(**changed)
