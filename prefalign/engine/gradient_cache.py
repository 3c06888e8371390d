"""Losses of all pairs of a global batch at once, without all of them in memory at once.

Such a loss (AOT sorts the batch's margins) is no sum over micro-batches. But it sees no more of a pair
than a few log-probs: once those of the whole batch are known, so is the slope of the loss in each of
them, and with its slopes held fixed the loss is a sum over pairs after all. So there are two passes: one
without gradients for the log-probs, one with gradients, micro-batch by micro-batch. The gradient is that
of the whole batch exactly, not an estimate. GradCache (Gao et al. 2021, arXiv:2101.06983).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, Self

import torch
from torch import Tensor
from torch.utils.checkpoint import get_device_states, set_device_states

from prefalign.engine.logps import Batch
from prefalign.engine.objective import share_of_loss
from prefalign.losses import Loss, LossParams, PairLogps

_OF_POLICY = ("chosen", "rejected", "nll", "chosen_tail", "rejected_tail")


class ScoredPairs(NamedTuple):
    """What a loss may know of some pairs, on the CPU and without a graph: it goes to other processes.

    Attributes:
        places: (B,) int64, in the token store.
        logps: of these pairs.
    """

    places: Tensor
    logps: PairLogps

    @classmethod
    def of(cls, batch: Batch, logps: PairLogps) -> Self:
        """Returns the pairs of a micro-batch, without those that only fill it."""
        counts = batch["weights"] > 0
        values = (None if field is None else field.detach()[counts].cpu() for field in logps)
        return cls(batch["pairs"][counts].cpu(), PairLogps._make(values))

    @classmethod
    def joined(cls, parts: Sequence[ScoredPairs]) -> Self:
        """Returns the pairs of all parts in order of place, which nobody's share of them changes."""
        places = torch.cat([part.places for part in parts])
        order = places.argsort()
        columns = zip(*(part.logps for part in parts), strict=True)
        values = (
            None if fields[0] is None else torch.cat(fields)[order]  # all parts have the same ones
            for fields in columns
        )
        return cls(places[order], PairLogps._make(values))


class GlobalLoss:
    """The loss of a global batch, and its slope in each log-prob of the policy.

    Args:
        parts: the pairs of all micro-batches of all processes.
        batch: one of those micro-batches, for the size of the global batch.
        loss, params: the method and its settings.
    """

    def __init__(
        self, parts: Sequence[ScoredPairs], batch: Batch, loss: Loss, params: LossParams
    ) -> None:
        self.places, logps = ScoredPairs.joined(parts)
        leaves = {
            name: values.requires_grad_()
            for name in _OF_POLICY
            if (values := getattr(logps, name)) is not None
        }
        whole = Batch(
            weights=torch.ones(len(self.places)),
            global_pairs=batch["global_pairs"].cpu(),
            global_nll_tokens=batch["global_nll_tokens"].cpu(),
        )
        value = share_of_loss(loss.terms(logps._replace(**leaves), params), whole)
        slopes = torch.autograd.grad(value, list(leaves.values()), materialize_grads=True)
        self.value = value.detach()
        self.slopes = dict(zip(leaves, slopes, strict=True))

    def share(self, batch: Batch, logps: PairLogps) -> Tensor:
        """Returns a micro-batch's share of the loss, () nats.

        Its gradient is that of the loss of the global batch in the micro-batch's log-probs. Its value
        is the share that its pairs have among all; no other makes sense of a loss that is no sum.
        """
        weights = batch["weights"].to(logps.chosen)
        rows = torch.searchsorted(self.places, batch["pairs"].cpu())
        linear = torch.zeros_like(weights).sum()
        for name, slope in self.slopes.items():
            linear = linear + (weights * slope[rows].to(weights) * getattr(logps, name)).sum()
        value = self.value.to(weights) * weights.sum() / batch["global_pairs"]
        return value + linear - linear.detach()


class Randomness:
    """The state of all random generators at some moment, so that dropout may fall as it did then."""

    def __init__(self, device: torch.device) -> None:
        self.kind = device.type
        self.cpu = torch.get_rng_state()
        # asked for by a tensor on the device
        self.devices, self.states = get_device_states(torch.empty(0, device=device))

    @contextmanager
    def again(self) -> Iterator[None]:
        """Goes back to that moment, and afterwards to now."""
        with torch.random.fork_rng(self.devices, device_type=self.kind):
            torch.set_rng_state(self.cpu)
            set_device_states(self.devices, self.states, device_type=self.kind)
            yield
