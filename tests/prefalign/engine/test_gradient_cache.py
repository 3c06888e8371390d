"""Losses of whole batches: who gets which slope, and dropout that falls twice the same."""

from __future__ import annotations

from itertools import pairwise

import torch
from hypothesis import given
from hypothesis import strategies as st

from prefalign.engine.gradient_cache import GlobalLoss, Randomness, ScoredPairs
from prefalign.engine.logps import Batch
from prefalign.engine.objective import share_of_loss
from prefalign.losses import PairLogps, loss_of
from prefalign.losses.dpo import Dpo

PAIRS = 6
AOT = Dpo(loss=["aot", "sft"])


def batch_of(places: list[int], weights: list[float] | None = None) -> Batch:
    return Batch(
        pairs=torch.tensor(places),
        weights=torch.tensor(weights or [1.0] * len(places), dtype=torch.float64),
        global_pairs=torch.tensor(PAIRS),
        global_nll_tokens=torch.tensor(21),
    )


def logps_of(leaves: torch.Tensor, places: list[int]) -> PairLogps:
    """Returns the pairs in these places of (2, PAIRS) log-probs; reference and lengths are made up."""
    counts = torch.arange(1, PAIRS + 1)[places]
    reference = (torch.linspace(-9, -1, PAIRS, dtype=torch.float64)[places] for _ in range(2))
    return PairLogps(*leaves[:, places], counts, counts, *reference)


@given(
    order=st.permutations(range(PAIRS)),
    cuts=st.sets(st.integers(1, PAIRS - 1)),
    seed=st.integers(0, 99),
)
def test_cut_anywhere_in_any_order(order: list[int], cuts: set[int], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    leaves = -9 * torch.rand(2, PAIRS, dtype=torch.float64, generator=generator)
    leaves.requires_grad_()
    loss = loss_of(AOT)
    everything = list(range(PAIRS))
    whole = share_of_loss(loss.terms(logps_of(leaves, everything), AOT), batch_of(everything))
    want = torch.autograd.grad(whole, leaves)[0]

    edges = [0, *sorted(cuts), PAIRS]
    parts = [order[start:stop] for start, stop in pairwise(edges)]
    batches = [batch_of(part) for part in parts]
    idle = batch_of(parts[0][:1], [0.0])  # of a process that has no pair left
    batches, parts = [*batches, idle], [*parts, parts[0][:1]]
    scored = [
        ScoredPairs.of(batch, logps_of(leaves, part))
        for batch, part in zip(batches, parts, strict=True)
    ]
    cached = GlobalLoss(scored, batches[0], loss, AOT)
    shares = [
        cached.share(batch, logps_of(leaves, part))
        for batch, part in zip(batches, parts, strict=True)
    ]
    total = torch.stack(shares).sum()
    torch.testing.assert_close(total, whole)
    torch.testing.assert_close(torch.autograd.grad(total, leaves)[0], want)


def test_dropout_falls_again_as_it_did() -> None:
    torch.manual_seed(0)
    ones = torch.ones(100)
    before = Randomness(torch.device("cpu"))
    first = torch.dropout(ones, 0.5, train=True)
    later = torch.get_rng_state()
    with before.again():
        second = torch.dropout(ones, 0.5, train=True)
    assert torch.equal(first, second)
    assert torch.equal(torch.get_rng_state(), later)
    assert not torch.equal(first, torch.dropout(ones, 0.5, train=True))
