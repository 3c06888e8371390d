"""Every loss that the engine can give its log-probs to, on shared rows, against TRL's trainer."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any, NamedTuple

import pytest
import torch

from prefalign.config import RunConfig
from prefalign.dataset import PairDataset
from prefalign.engine.attention import attend_to_trees
from prefalign.engine.logps import score_tokens, segment_logps
from prefalign.engine.objective import pair_logps, share_of_loss
from prefalign.engine.trl_dpo import LOSSES_OF_TRL, loss_values
from prefalign.losses import loss_of
from prefalign.losses.dpo import Dpo
from prefalign.progress import Silence
from prefalign.run import Run
from tests.prefalign.toys import whole_batch, write_toy_pairs

PAIRS = 8
NEEDED = {"exo_pair": {"label_smoothing": 0.01}}
FAMILY = [Dpo(loss=name, **NEEDED.get(name, {})) for name in sorted(LOSSES_OF_TRL)] + [
    Dpo(loss={"sigmoid": 0.8, "sft": 0.3}),
    Dpo(loss="robust", label_smoothing=0.2),
    *(Dpo(f_divergence=divergence) for divergence in ("forward_kl", "js", "alpha")),
]


class Both(NamedTuple):
    """The same policy twice: TRL's trainer with its batch, and our model with ours."""

    trainer: Any
    rows: Any
    model: Any
    batch: Any


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, tiny_model: Any) -> Iterator[Both]:
    directory = tmp_path_factory.mktemp("parity")
    config = RunConfig.model_validate(
        {
            "data": {"train": str(write_toy_pairs(directory / "train.parquet", PAIRS))},
            "model": {"name": str(tiny_model)},
            "method": {"name": "dpo"},
            "engine": "trl",
            "batch": {"global_batch_size": PAIRS, "micro_batch_size": PAIRS},
            "hardware": {"device": "cpu", "precision": "fp32"},
            "output": {"dir": str(directory / "run")},
        }
    )
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PREFALIGN_CACHE", str(directory / "cache"))
        run = Run(config, Silence())
        model = deepcopy(run.model)
        trainer: Any = run.trainer(None)
        batch = whole_batch(PairDataset(run.train_set.store.table, layout="shared"))
        score_tokens(model)
        attend_to_trees(model)
        with torch.no_grad():
            reference = segment_logps(model, batch)
        batch["reference"] = torch.cat((reference.chosen, reference.rejected))
        for policy in (model, trainer.model):
            torch.manual_seed(1)
            with torch.no_grad():
                for weight in policy.parameters():
                    weight += 0.02 * torch.randn_like(weight)
        rows = trainer.data_collator([trainer.train_dataset[row] for row in range(PAIRS)])
        yield Both(trainer, rows, model, batch)


@pytest.mark.parametrize("params", FAMILY, ids=str)
def test_loss_and_gradient_are_trl_s(both: Both, params: Dpo) -> None:
    values = loss_values(params)
    both.trainer.loss_types = values.pop("loss_type")
    vars(both.trainer).update(values)
    theirs = both.trainer.compute_loss(both.trainer.model, both.rows)
    loss = loss_of(params)
    logps = pair_logps(segment_logps(both.model, both.batch), both.batch, loss, params)
    ours = share_of_loss(loss.terms(logps, params), both.batch)
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-5)
    slope, their_slope = (
        torch.cat([part.flatten() for part in torch.autograd.grad(of, list(policy.parameters()))])
        for of, policy in ((ours, both.model), (theirs, both.trainer.model))
    )
    # discopop's slope has a part of 1 / tau = 20, which makes as much of TRL's float32 sums
    most = 5e-4 if params.loss == "discopop" else 2e-5
    assert (slope - their_slope).norm() <= most * their_slope.norm()
