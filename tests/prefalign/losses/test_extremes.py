"""Losses where floating point is hard: values against exact arithmetic, gradients that stay finite."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import mpmath
import pytest
import torch
from torch import Tensor

from prefalign.losses import LOSSES, PairLogps, Terms
from prefalign.losses.dpo import Dpo, dpo
from prefalign.losses.dpo_losses import DPO_LOSSES
from prefalign.losses.orpo import Orpo, orpo
from prefalign.losses.simpo import Simpo, simpo
from tests.prefalign.losses.trl_oracle import TokenLogps, trl_loss

EPS = 0.01
TAU = Dpo().discopop_tau
BETA = Dpo().beta
NOISY = {"label_smoothing": EPS}
SETTINGS: dict[str, dict[str, Any]] = {"exo_pair": NOISY, "robust": NOISY, "aot": NOISY}
ENDS = (0.0, -1e-12, -1e-8, -1.0, -700.0, -1e4, -1e6)

mpmath.mp.dps = 60
Number = mpmath.mpf


def log_sigmoid(x: Number) -> Number:
    return -mpmath.log1p(mpmath.exp(-x))


def sigmoid(x: Number) -> Number:
    return 1 / (1 + mpmath.exp(-x))


# (chosen's log-ratio, rejected's log-ratio, tokens of chosen, tokens of rejected) -> nats
EXACT: dict[str, Callable[[Number, Number, int, int], Number]] = {
    "sigmoid": lambda c, r, *_: -log_sigmoid(BETA * (c - r)),
    "hinge": lambda c, r, *_: max(0, 1 - BETA * (c - r)),
    "ipo": lambda c, r, n, m: (c / n - r / m - 1 / (2 * Number(BETA))) ** 2,
    "sigmoid_norm": lambda c, r, n, m: -log_sigmoid(BETA * (c / n - r / m)),
    "robust": lambda c, r, *_: (
        (-(1 - EPS) * log_sigmoid(BETA * (c - r)) + EPS * log_sigmoid(-BETA * (c - r)))
        / (1 - 2 * EPS)
    ),
    "exo_pair": lambda c, r, *_: (
        sigmoid(BETA * (c - r)) * (log_sigmoid(BETA * (c - r)) - mpmath.log1p(-Number(EPS)))
        + sigmoid(-BETA * (c - r)) * (log_sigmoid(-BETA * (c - r)) - mpmath.log(EPS))
    ),
    "nca_pair": lambda c, r, *_: (
        -log_sigmoid(BETA * c) - (log_sigmoid(-BETA * c) + log_sigmoid(-BETA * r)) / 2
    ),
    "bco_pair": lambda c, r, *_: -log_sigmoid(BETA * c) - log_sigmoid(-BETA * r),
    "sppo_hard": lambda c, r, *_: (
        (c - 1 / (2 * Number(BETA))) ** 2 + (r + 1 / (2 * Number(BETA))) ** 2
    ),
    "aot": lambda c, r, *_: (
        -(1 - EPS) * log_sigmoid(BETA * (c - r)) - EPS * log_sigmoid(-BETA * (c - r))
    ),
    "aot_unpaired": lambda c, r, *_: -log_sigmoid(BETA * (c - r)),
    "apo_zero": lambda c, r, *_: 1 - sigmoid(BETA * c) + sigmoid(BETA * r),
    "apo_down": lambda c, r, *_: sigmoid(BETA * c) + 1 - sigmoid(BETA * (c - r)),
    "discopop": lambda c, r, *_: (
        -log_sigmoid(BETA * (c - r)) * (1 - sigmoid(BETA * (c - r) / TAU))
        + mpmath.exp(-BETA * (c - r)) * sigmoid(BETA * (c - r) / TAU)
    ),
}


def one_pair(
    chosen: float, rejected: float, tokens: tuple[int, int] = (1, 1), dtype: Any = torch.float64
) -> PairLogps:
    """Returns a pair whose reference is sure of both sides, so that log-probs are log-ratios."""
    values = (chosen, rejected, *tokens, 0.0, 0.0, -chosen)
    return PairLogps(*(torch.tensor([float(value)], dtype=dtype) for value in values))


def test_every_loss_has_an_oracle() -> None:
    assert set(EXACT) == set(DPO_LOSSES.names()) - {"sft"}


@pytest.mark.parametrize("name", EXACT)
def test_values_are_exact_from_certainty_to_impossibility(name: str) -> None:
    params = Dpo(loss=name, beta=BETA, **SETTINGS.get(name, {}))
    for chosen, rejected, tokens in product(ENDS, ENDS, [(1, 1), (3, 700)]):
        got = dpo(one_pair(chosen, rejected, tokens), params).pairs.item()
        want = EXACT[name](Number(chosen), Number(rejected), *tokens)
        assert got == pytest.approx(float(want), rel=1e-12, abs=1e-14), (chosen, rejected, tokens)


@pytest.mark.parametrize("chosen", [-1e-30, -1e-8, -0.3, -5.0, -1e3])
@pytest.mark.parametrize("rejected", [-1e-30, -1e-8, -0.3, -5.0, -1e3])
def test_orpo_is_exact(chosen: float, rejected: float) -> None:
    def log_odds(logp: float) -> Number:
        return Number(logp) - mpmath.log(-mpmath.expm1(Number(logp)))

    got = orpo(one_pair(chosen, rejected), Orpo(lambda_=1.0)).pairs.item()
    want = -log_sigmoid(log_odds(chosen) - log_odds(rejected))
    assert got == pytest.approx(float(want), rel=1e-12, abs=1e-300)


@pytest.mark.parametrize("margin", [-1e6, -40.0, 0.0, 1e-9, 40.0, 1e6])
def test_simpo_is_exact(margin: float) -> None:
    # one token a side: beta * margin - gamma
    pair = one_pair(min(margin, 0.0), min(-margin, 0.0))
    want = -log_sigmoid(2 * Number(margin) - Number(0.5))
    assert simpo(pair, Simpo(beta=2.0, gamma=0.5)).pairs.item() == pytest.approx(float(want))


def everything() -> list[tuple[str, Any]]:
    """The methods, and DPO with each loss and each f-divergence that it can have."""
    given = [(name, LOSSES.get(name).params()) for name in LOSSES.names()]
    given += [("dpo", Dpo(loss=name, **SETTINGS.get(name, {}))) for name in DPO_LOSSES.names()]
    given += [
        ("dpo", Dpo(loss=part.name, f_divergence=divergence, **SETTINGS.get(part.name, {})))
        for part in DPO_LOSSES
        for divergence in ("forward_kl", "js", "alpha")
        if "f_divergence" in part.reads
    ]
    return [*given, ("dpo", Dpo(loss=["sigmoid", "sft"], ld_alpha=0.3)), ("dpo", Dpo(wpo=True))]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("name", "params"), everything(), ids=str)
def test_values_and_gradients_are_finite(name: str, params: Any, dtype: torch.dtype) -> None:
    ends = torch.tensor(ENDS, dtype=dtype)
    corners = torch.cartesian_prod(ends, ends, ends, ends)
    chosen, rejected, reference_chosen, reference_rejected = corners.unbind(1)
    chosen, rejected = (side.clone().requires_grad_() for side in (chosen, rejected))
    ones = torch.ones_like(chosen)
    logps = PairLogps(
        chosen, rejected, ones, ones, reference_chosen, reference_rejected, -chosen,
        chosen / 2, rejected / 2, reference_chosen / 2, reference_rejected / 2,
        chosen.detach(), rejected.detach(),
    )  # fmt: skip
    terms: Terms = LOSSES.get(name).terms(logps, params)
    total = terms.pairs.sum() + (0 if terms.tokens is None else terms.tokens.sum())
    slopes: tuple[Tensor | None, ...] = torch.autograd.grad(
        total, (chosen, rejected), allow_unused=True
    )
    assert terms.pairs.isfinite().all()
    for slope in slopes:
        assert slope is None or slope.isfinite().all()


def test_discopop_survives_where_trl_s_is_nan() -> None:
    params = Dpo(loss="discopop")
    # the exponential loss is cut off there, and what remains is the logistic one: 0.1 * 1e4
    assert dpo(one_pair(-1e4, 0.0), params).pairs.item() == pytest.approx(1e3)
    mask = torch.tensor([[0, 1], [0, 1]])
    chosen_lost = torch.tensor([[-1e4], [0.0]])
    batch = TokenLogps(mask, chosen_lost, torch.zeros(2, 1), torch.zeros(2, 1))
    assert trl_loss(batch, params).isnan()
