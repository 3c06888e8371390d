"""`engine: trl` from the run file to TRL's trainer: its loss on a real model is that of our settings."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from trl import DPOConfig

from prefalign.config import RunConfig
from prefalign.losses import PairLogps, Terms, loss_of
from prefalign.losses.dpo import Dpo
from prefalign.progress import Silence
from prefalign.run import Run
from prefalign.trl.dpo import LOSSES_OF_TRL
from prefdata.errors import ConfigError
from tests.prefalign.losses.trl_oracle import TokenLogps, pair_logps
from tests.prefalign.toys import write_toy_pairs


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty cache of this test's own."""
    monkeypatch.setenv("PREFALIGN_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def settings(tmp_path: Path, tiny_model: Path) -> dict[str, Any]:
    """Eight pairs, all of them one batch."""
    return {
        "data": {"train": str(write_toy_pairs(tmp_path / "train.parquet", 8))},
        "model": {"name": str(tiny_model)},
        "engine": "trl",
        "batch": {"global_batch_size": 8, "micro_batch_size": 8},
        "hardware": {"device": "cpu", "precision": "fp32"},
        "output": {"dir": str(tmp_path / "run")},
    }


def token_logps(model: Any, ids: Tensor, seen: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Returns log-probs and log sums of squared probabilities of completion tokens, from logits."""
    logits = model(input_ids=ids, attention_mask=seen).logits[:, :-1].double()
    every = logits.log_softmax(-1)
    logps = every.gather(-1, ids[:, 1:, None]).squeeze(-1)
    return logps * mask[:, 1:], (2 * every).logsumexp(-1) * mask[:, 1:]


def nudge(model: Any) -> None:
    """Moves the policy away from the reference."""
    torch.manual_seed(1)
    with torch.no_grad():
        for weight in model.parameters():
            weight += 0.02 * torch.randn_like(weight)


def mean_loss(terms: Terms, tokens: Tensor) -> Tensor:
    loss = terms.pairs.mean()
    return loss if terms.tokens is None else loss + terms.tokens.sum() / tokens.sum()


@pytest.mark.parametrize(
    "method",
    [
        {"loss": "ipo", "beta": 0.4},
        {"loss": {"sigmoid": 0.8, "sft": 0.3}, "ld_alpha": 0.4},
        {"loss": "sigmoid", "wpo": True},
        {"loss": "hinge", "f_divergence": "alpha", "f_alpha": 0.3},
        {"loss": ["exo_pair", "aot"], "label_smoothing": 0.1},
        {"loss": "discopop", "discopop_tau": 0.2, "f_divergence": "js"},
    ],
    ids=str,
)
def test_dpo(settings: dict[str, Any], method: dict[str, Any]) -> None:
    run = Run(RunConfig.model_validate(settings | {"method": {"name": "dpo", **method}}), Silence())
    trainer = run.trainer(None)
    rows = trainer.data_collator([trainer.train_dataset[row] for row in range(8)])
    ids, seen, mask = (rows[name] for name in ("input_ids", "attention_mask", "completion_mask"))
    with torch.no_grad():
        reference, _ = token_logps(run.model, ids, seen, mask)
    nudge(run.model)
    theirs = trainer.compute_loss(trainer.model, rows)
    policy, log_sum_sq = token_logps(run.model, ids, seen, mask)
    logps = pair_logps(TokenLogps(mask, policy, reference, log_sum_sq))
    params = run.config.method
    ours = mean_loss(loss_of(params).terms(logps, params), logps.chosen_tokens)
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-5)
    weights = list(run.model.parameters())
    slopes, their_slopes = (torch.autograd.grad(loss, weights) for loss in (ours, theirs))
    for mine, their in zip(slopes, their_slopes, strict=True):
        largest = their.abs().max().item()
        torch.testing.assert_close(mine, their, rtol=1e-4, atol=1e-5 * largest + 1e-9)


@pytest.mark.parametrize(
    "method", [{"name": "simpo", "beta": 2.5, "gamma": 0.7}, {"name": "orpo", "lambda_": 0.3}]
)
def test_losses_without_a_reference(settings: dict[str, Any], method: dict[str, Any]) -> None:
    run = Run(RunConfig.model_validate(settings | {"method": method}), Silence())
    trainer: Any = run.trainer(None)
    rows = trainer.data_collator([trainer.train_dataset[row] for row in range(8)])
    nudge(run.model)
    theirs, _ = trainer.get_batch_loss_metrics(trainer.model, rows)
    sums, tokens = [], []
    for side in ("chosen", "rejected"):
        ids, seen = rows[f"{side}_input_ids"], rows[f"{side}_attention_mask"]
        scored = (rows[f"{side}_labels"] != -100).long()
        sums.append(token_logps(run.model, ids, seen, scored)[0].sum(1))
        tokens.append(scored.sum(1))
    seen = rows["chosen_attention_mask"]
    nll = -token_logps(run.model, rows["chosen_input_ids"], seen, seen)[0].sum(1)
    params = run.config.method
    terms = loss_of(params).terms(PairLogps(*sums, *tokens, nll=nll), params)
    ours = mean_loss(terms, seen[:, 1:])
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-5)
    weights = list(run.model.parameters())
    slopes, their_slopes = (torch.autograd.grad(loss, weights) for loss in (ours, theirs))
    for mine, their in zip(slopes, their_slopes, strict=True):
        largest = their.abs().max().item()
        torch.testing.assert_close(mine, their, rtol=1e-4, atol=1e-5 * largest + 1e-9)


@pytest.mark.parametrize(
    ("method", "word"),
    [
        (Dpo(label_smoothing=0.1), "label_smoothing"),
        (Dpo(labels="votes"), "labels"),
        (Dpo(loss="hinge", wpo=True), "wpo"),
    ],
)
def test_what_trl_cannot_do_is_refused(settings: dict[str, Any], method: Dpo, word: str) -> None:
    with pytest.raises(ConfigError, match=rf"method\.{word}"):
        Run(RunConfig.model_validate(settings | {"method": method.model_dump()}), Silence())


def test_trl_s_losses_are_those_it_names() -> None:
    told = DPOConfig.__dataclass_fields__["loss_type"].metadata["help"]
    assert set(re.findall(r"`'(\w+)'`", told)) == LOSSES_OF_TRL
