"""The losses against numbers worked out by hand, against TRL's own code, and under laws they obey."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import cross_entropy

from prefalign.config import RunConfig
from prefalign.losses import LOSSES, PairLogps
from prefalign.losses.dpo import Dpo, dpo
from prefalign.losses.orpo import Orpo, log1mexp, log_odds, orpo

nats = st.floats(-400, -0.01, allow_nan=False)


def logps(
    chosen: float,
    rejected: float,
    reference: tuple[float, float] = (0.0, 0.0),
    tokens: tuple[int, int] = (1, 1),
    nll: float = 0.0,
) -> PairLogps:
    values = (chosen, rejected, *tokens, *reference, nll)
    return PairLogps(*(torch.tensor([float(value)], dtype=torch.float64) for value in values))


def test_dpo_by_hand() -> None:
    # log-ratios: chosen -2 - -3 = 1, rejected -5 - -4 = -1; margin 2; beta 0.5 -> log(1 + e^-1)
    pair = logps(-2, -5, reference=(-3, -4))
    assert dpo(pair, Dpo(beta=0.5)).pairs.item() == pytest.approx(0.3132616875182228)


def test_conservative_dpo_by_hand() -> None:
    # the same margin: 0.9 * log(1 + e^-1) + 0.1 * log(1 + e^1) = 0.9 * 0.31326 + 0.1 * 1.31326
    pair = logps(-2, -5, reference=(-3, -4))
    loss = dpo(pair, Dpo(beta=0.5, label_smoothing=0.1)).pairs.item()
    assert loss == pytest.approx(0.9 * 0.3132616875182228 + 0.1 * 1.3132616875182228)


def test_dpo_of_the_reference_itself_is_log_2() -> None:
    pair = logps(-7, -3, reference=(-7, -3))
    assert dpo(pair, Dpo()).pairs.item() == pytest.approx(math.log(2))


def test_orpo_by_hand() -> None:
    # per token: p = 1/2 over two tokens, p = 1/4 over one; odds 1 and 1/3, log odds ratio log 3
    # -log sigmoid(log 3) = log(1 + 1/3) = log(4/3); times lambda 0.5
    pair = logps(2 * math.log(1 / 2), math.log(1 / 4), tokens=(2, 1), nll=3.5)
    terms = orpo(pair, Orpo(lambda_=0.5))
    assert terms.pairs.item() == pytest.approx(0.5 * math.log(4 / 3))
    assert terms.tokens is not None
    assert terms.tokens.item() == 3.5


@given(nats, nats, nats, nats)
def test_swapping_the_sides_negates_dpos_margin(c: float, r: float, rc: float, rr: float) -> None:
    # -log sigmoid(x) - -log sigmoid(-x) = -x
    kept = dpo(logps(c, r, (rc, rr)), Dpo()).pairs.item()
    swapped = dpo(logps(r, c, (rr, rc)), Dpo()).pairs.item()
    assert kept - swapped == pytest.approx(-0.1 * ((c - rc) - (r - rr)), abs=1e-9)


@given(nats, nats, st.floats(-5, 5))
def test_dpo_ignores_what_both_sides_share(c: float, r: float, shift: float) -> None:
    kept = dpo(logps(c, r, (-1, -2)), Dpo()).pairs.item()
    moved = dpo(logps(c + shift, r + shift, (-1, -2)), Dpo()).pairs.item()
    assert moved == pytest.approx(kept, abs=1e-9)


@given(nats, nats)
def test_swapping_the_sides_negates_orpos_log_odds_ratio(c: float, r: float) -> None:
    kept, swapped = (orpo(logps(*pair), Orpo(lambda_=1)).pairs.item() for pair in ((c, r), (r, c)))
    odds = log_odds(torch.tensor([c, r], dtype=torch.float64))
    assert kept - swapped == pytest.approx(-(odds[0] - odds[1]).item(), abs=1e-9)


@pytest.mark.parametrize("name", ["dpo", "orpo"])
@given(c=nats, r=nats, gain=st.floats(0.01, 5))
def test_a_likelier_chosen_costs_less(name: str, c: float, r: float, gain: float) -> None:
    loss = LOSSES.get(name)
    before = loss.terms(logps(min(c - gain, -0.01), r), loss.params()).pairs
    after = loss.terms(logps(min(c, -0.01), r), loss.params()).pairs
    assert after.item() <= before.item()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("x", [-1e-30, -1e-8, -1e-3, -0.5, -math.log(2), -0.7, -5, -100, -1e4])
def test_log1mexp_is_exact_in_value_and_gradient(x: float, dtype: torch.dtype) -> None:
    given_x = torch.tensor(x, dtype=dtype, requires_grad=True)
    value = log1mexp(given_x)
    value.backward()
    exact = float(given_x.detach())  # the number that the type can hold
    tolerance = {"rel": 1e-6 if dtype == torch.float32 else 1e-14}
    want = math.log(-math.expm1(exact)) if exact > -0.7 else math.log1p(-math.exp(exact))
    assert value.item() == pytest.approx(want, abs=1e-37, **tolerance)
    # d/dx log(1 - e^x) = -e^x / (1 - e^x) = -1 / expm1(-x)
    slope = -1 / math.expm1(-exact) if exact > -700 else 0.0
    assert given_x.grad is not None
    assert given_x.grad.item() == pytest.approx(slope, abs=1e-37, **tolerance)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", ["dpo", "orpo"])
def test_certainty_and_impossibility_stay_finite(name: str, dtype: torch.dtype) -> None:
    ends = torch.tensor([0.0, -0.0, -1e-12, -1e4, -1e6], dtype=dtype)
    chosen, rejected = (
        side.flatten().requires_grad_() for side in torch.meshgrid(ends, ends, indexing="ij")
    )
    ones = torch.ones_like(chosen)
    loss = LOSSES.get(name)
    terms = loss.terms(PairLogps(chosen, rejected, ones, ones, ones, ones, ones), loss.params())
    terms.pairs.sum().backward()
    assert chosen.grad is not None
    assert rejected.grad is not None
    for tensor in (terms.pairs, chosen.grad, rejected.grad):
        assert tensor.isfinite().all()


@pytest.mark.parametrize("name", LOSSES.names())
def test_gradients_are_those_of_the_values(name: str) -> None:
    loss = LOSSES.get(name)
    torch.manual_seed(0)
    chosen, rejected, *reference = (-5 * torch.rand(4, 6, dtype=torch.float64)).unbind()

    def total(c: Tensor, r: Tensor) -> Tensor:
        counts = torch.arange(1.0, 7.0, dtype=torch.float64)
        given = PairLogps(c, r, counts, counts.flip(0), *reference, -c)
        terms = loss.terms(given, loss.params())
        return terms.pairs if terms.tokens is None else terms.pairs + terms.tokens

    assert torch.autograd.gradcheck(total, (chosen.requires_grad_(), rejected.requires_grad_()))


def test_the_odds_ratio_term_is_trls() -> None:
    from trl.experimental.orpo import ORPOTrainer

    torch.manual_seed(0)
    chosen, rejected = -3 * torch.rand(64) - 1e-3, -3 * torch.rand(64) - 1e-3
    trl = SimpleNamespace(beta=0.25, accelerator=SimpleNamespace(device="cpu"))
    losses, *_ = ORPOTrainer.odds_ratio_loss(trl, chosen, rejected)
    ones = torch.ones(64)
    ours = orpo(PairLogps(chosen, rejected, ones, ones), Orpo(lambda_=0.25)).pairs
    torch.testing.assert_close(ours, -losses, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("nll_over", ["all", "completion"])
def test_orpo_is_its_authors(nll_over: Any) -> None:
    """As in the code of arXiv:2403.07691, whose `disable_prompt_loss` leaves the prompt out of the NLL.

    On rows of one length: on padded ones its mask also takes in what the last token predicts.
    """
    torch.manual_seed(0)
    ids, prompt, alpha = torch.randint(5, 20, (2, 3, 9)), torch.tensor([1, 2, 4]), 0.3
    logits = torch.randn(2, 3, 9, 20, dtype=torch.float64)
    completion = torch.arange(9)[None] >= prompt[:, None]
    labels = ids[0] if nll_over == "all" else ids[0].where(completion, -100)
    nll = cross_entropy(
        logits[0, :, :-1].flatten(0, 1), labels[:, 1:].flatten()
    )  # mean over tokens
    logps = logits[:, :, :-1].log_softmax(-1).gather(-1, ids[:, :, 1:, None]).squeeze(-1)
    scored = completion[:, 1:]
    chosen, rejected = (logps * scored).sum(-1) / scored.sum(-1)
    log_odds_ratio = (chosen - rejected) - (
        torch.log1p(-torch.exp(chosen)) - torch.log1p(-torch.exp(rejected))
    )
    authors = torch.mean(nll - alpha * torch.log(torch.sigmoid(log_odds_ratio)))

    spoken = torch.ones_like(scored) if nll_over == "all" else scored
    counts = scored.sum(-1)
    sums = (logps * scored).sum(-1)
    given_logps = PairLogps(*sums, counts, counts, nll=-(logps[0] * spoken).sum(-1))
    terms = orpo(given_logps, Orpo(lambda_=alpha, nll_over=nll_over))
    assert terms.tokens is not None
    ours = terms.pairs.mean() + terms.tokens.sum() / spoken.sum()
    torch.testing.assert_close(ours, authors)


TOY_LOSS = '''
from __future__ import annotations
from typing import Literal
from prefalign.losses import LossParams, PairLogps, Terms, loss

class Toy(LossParams):
    """A toy."""
    name: Literal["toy"] = "toy"
    strength: float = 2.0

@loss(Toy, paper="0000.00000", needs_reference=False, length_normalised=True)
def toy(logps: PairLogps, params: Toy) -> Terms:
    return Terms(pairs=-params.strength * (logps.mean_chosen - logps.mean_rejected))
'''

USE_TOY = """
import json, sys
import prefalign.losses
prefalign.losses.__path__.append(sys.argv[1])
from prefalign.config import RunConfig
run = RunConfig.model_validate({"data": {"train": "t"}, "model": {"name": "m"},
    "method": {"name": "toy", "strength": 3}, "output": {"dir": "o"}})
assert "torch" not in sys.modules
import torch
loss = prefalign.losses.LOSSES.get("toy")
ones = torch.ones(1)
terms = loss.terms(prefalign.losses.PairLogps(-4 * ones, -3 * ones, 2 * ones, ones), run.method)
print(json.dumps([terms.pairs.item(), prefalign.losses.LOSSES.names()]))
"""


def test_a_new_loss_is_one_new_file(tmp_path: Path) -> None:
    (tmp_path / "toy.py").write_text(TOY_LOSS)
    command = [sys.executable, "-c", USE_TOY, str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    # -3 * (-4 / 2 - -3 / 1) = -3
    assert json.loads(done.stdout) == [-3.0, ["dpo", "orpo", "simpo", "toy"]]


TOY_DPO_LOSS = '''
from prefalign.losses.dpo_losses import dpo_loss

@dpo_loss(paper="0000.00000", length_normalised=True)
def linear(logps, params):
    """The margin itself."""
    return -params.beta * logps.log_ratio_margin
'''

USE_TOY_DPO_LOSS = """
import sys
import prefalign.losses.dpo_losses as family
family.__path__.append(sys.argv[1])
from prefalign.losses import PairLogps, loss_of
from prefalign.losses.dpo import Dpo
import torch
params = Dpo(loss={"linear": 2}, beta=0.5)
logps = PairLogps(*(torch.tensor([value]) for value in (-4.0, -3.0, 1.0, 1.0, -7.0, -3.0)))
print(loss_of(params).facts.length_normalised, loss_of(params).terms(logps, params).pairs.item())
"""


def test_a_new_loss_of_dpo_is_one_new_file(tmp_path: Path) -> None:
    (tmp_path / "linear.py").write_text(TOY_DPO_LOSS)
    command = [sys.executable, "-c", USE_TOY_DPO_LOSS, str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    # 2 * -0.5 * ((-4 - -7) - (-3 - -3)) = -3
    assert done.stdout.split() == ["True", "-3.0"]


def test_every_loss_states_its_facts() -> None:
    facts = {
        loss.name: (loss.needs_reference, loss.length_normalised, loss.needs_nll) for loss in LOSSES
    }
    assert facts["dpo"] == (True, False, False)
    assert facts["orpo"] == (False, True, True)


def test_the_run_file_s_method_is_parsed_by_its_loss() -> None:
    run = RunConfig.model_validate(
        {
            "data": {"train": "t"},
            "model": {"name": "m"},
            "method": {"name": "orpo", "lambda_": 0.5},
            "output": {"dir": "o"},
        }
    )
    assert run.method == Orpo(lambda_=0.5)
