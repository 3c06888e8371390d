"""Every loss of the DPO family against TRL's own code, in value and in the gradient of each token."""

from __future__ import annotations

from itertools import product
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from prefalign.losses import Terms
from prefalign.losses.choice import weights
from prefalign.losses.dpo import Dpo, dpo
from prefalign.losses.dpo_losses import DPO_LOSSES
from prefalign.losses.simpo import Simpo, simpo
from prefalign.trl.dpo import LOSSES_OF_TRL
from tests.prefalign.losses.trl_oracle import TokenLogps, pair_logps, random_pairs, trl_loss

LOSSES = [part for part in DPO_LOSSES if part.name in LOSSES_OF_TRL]
NEEDED = {"exo_pair": {"label_smoothing": 1e-3}}
NOISY = ("aot", "aot_unpaired", "exo_pair", "robust")
DIVERGENT = [part.name for part in LOSSES if "f_divergence" in part.reads]
DIVERGENCES = ("reverse_kl", "forward_kl", "js", "alpha")


def family() -> list[dict[str, Any]]:
    """Every loss with every setting that it can be combined with, and sums of losses."""
    chosen = [{"loss": name} | NEEDED.get(name, {}) for name in sorted(LOSSES_OF_TRL)]
    chosen += [{"loss": name, "label_smoothing": 0.2} for name in NOISY]
    chosen += [
        {"loss": name, "f_divergence": divergence} | NEEDED.get(name, {})
        for name, divergence in product(DIVERGENT, DIVERGENCES[1:])
    ]
    chosen += [
        {"loss": "sigmoid", "f_divergence": "alpha", "f_alpha": alpha} for alpha in (0.0, 1.0, 1.7)
    ]
    chosen += [{"loss": "discopop", "discopop_tau": tau} for tau in (0.3, 1.0)]
    pairwise = [part.name for part in LOSSES if not part.per_token]
    chosen += [
        {"loss": name, "ld_alpha": alpha} | NEEDED.get(name, {})
        for name, alpha in product(pairwise, (0.0, 0.4, 1.0))
    ]
    weighable = [part.name for part in LOSSES if part.pair_separable and not part.per_token]
    weighable.remove("hinge")  # there TRL's own backward fails
    chosen += [{"loss": name, "wpo": True} | NEEDED.get(name, {}) for name in weighable]
    return [
        *chosen,
        {"loss": ["sigmoid", "sft"]},
        {"loss": {"sigmoid": 0.8, "bco_pair": 0.2, "sft": 1.0}},
        {"loss": {"ipo": 2.0, "sigmoid_norm": 0.5}, "ld_alpha": 0.5, "wpo": True},
        {"loss": {"sigmoid": 1.0, "sft": 0.3}, "ld_alpha": 0.5, "f_divergence": "js"},
    ]


def of_batch(terms: Terms, tokens: Tensor) -> Tensor:
    loss = terms.pairs.mean()
    return loss if terms.tokens is None else loss + terms.tokens.sum() / tokens.sum()


def ours(batch: TokenLogps, params: Dpo) -> Tensor:
    logps = pair_logps(batch)
    return of_batch(dpo(logps, params), logps.chosen_tokens)


def value_and_slopes(loss: Any, batch: TokenLogps, params: Dpo) -> tuple[Tensor, Tensor]:
    policy = batch.policy.clone().requires_grad_()
    value = loss(batch._replace(policy=policy), params)
    (slopes,) = torch.autograd.grad(value, policy)
    return value.detach(), slopes


TOLERANCES = {torch.float32: 1e-5, torch.float64: 1e-10}


def trl_is_float32(params: Dpo) -> bool:
    """Returns whether TRL rounds: exo_pair's label noise, all of the alpha-divergence."""
    return params.f_divergence == "alpha" or "exo_pair" in weights(params.loss)


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("settings", family(), ids=str)
def test_value_and_gradient_are_trl_s(settings: dict[str, Any], dtype: torch.dtype) -> None:
    params = Dpo(beta=0.3, **settings)
    if trl_is_float32(params):
        dtype = torch.float32
    batch = random_pairs(9, dtype)
    value, slopes = value_and_slopes(ours, batch, params)
    their_value, their_slopes = value_and_slopes(trl_loss, batch, params)
    scored = batch.mask[:, 1:]
    rtol = TOLERANCES[dtype]
    torch.testing.assert_close(value, their_value, rtol=rtol, atol=rtol)
    largest = their_slopes.abs().max().item()
    torch.testing.assert_close(
        slopes * scored, their_slopes * scored, rtol=rtol, atol=rtol * largest
    )


@settings(max_examples=25, deadline=None)
@given(
    name=st.sampled_from([part.name for part in LOSSES if not part.per_token]),
    seed=st.integers(0, 2**16),
    pairs=st.integers(1, 12),
    beta=st.floats(0.01, 5),
)
def test_any_batch_and_beta(name: str, seed: int, pairs: int, beta: float) -> None:
    params = Dpo(loss=name, beta=beta, **NEEDED.get(name, {}))
    batch = random_pairs(pairs, seed=seed, width=30)
    value, slopes = value_and_slopes(ours, batch, params)
    their_value, their_slopes = value_and_slopes(trl_loss, batch, params)
    rtol = 1e-6 if trl_is_float32(params) else 1e-9
    torch.testing.assert_close(value, their_value, rtol=rtol, atol=1e-9)
    torch.testing.assert_close(slopes, their_slopes, rtol=rtol, atol=1e-9)


def test_wpo_with_hinge_where_trl_cannot_go_backward() -> None:
    params, batch = Dpo(loss="hinge", wpo=True), random_pairs(9)
    policy = batch.policy.clone().requires_grad_()
    theirs = trl_loss(batch._replace(policy=policy), params)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        theirs.backward()
    value, slopes = value_and_slopes(ours, batch, params)
    torch.testing.assert_close(value, theirs.detach())
    assert slopes.isfinite().all()


def test_simpo_is_that_of_trl_s_cpo() -> None:
    from trl.experimental.cpo import CPOTrainer

    logps = pair_logps(random_pairs(16))
    trainer = SimpleNamespace(
        alpha=0.0,
        beta=2.5,
        simpo_gamma=1.4,
        label_smoothing=0.0,
        loss_type="simpo",
        accelerator=SimpleNamespace(device="cpu"),
    )
    losses, *_ = CPOTrainer.cpo_loss(trainer, logps.mean_chosen, logps.mean_rejected)
    mine = simpo(logps, Simpo(beta=2.5, gamma=1.4)).pairs
    torch.testing.assert_close(mine, losses, rtol=1e-12, atol=0)
