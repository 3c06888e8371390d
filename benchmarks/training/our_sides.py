"""Our trainer, on batches of the same pairs in the same order."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import torch

from benchmarks.training.work import Side, Work, checkpointed, equal_adapters, new_model
from prefalign import config
from prefalign.config import RunConfig
from prefalign.data.dataset import GlobalBatches, PairDataset
from prefalign.engine.attention import attend_to_trees
from prefalign.engine.bins import Limits
from prefalign.engine.logps import base_of, score_tokens, without_adapters
from prefalign.engine.self_test import choose_layout
from prefalign.engine.tree import Layout
from prefalign.losses import LossParams, loss_of
from prefalign.losses.orpo import Orpo
from prefalign.models.loading import add_lora
from prefalign.progress import Silence
from prefalign.score import score_share
from prefalign.trainer import PreferenceTrainer, training_arguments
from prefalign.training.measure import Instruments


def ours(
    work: Work, params: LossParams, *, limits: Limits, layout: Layout = "shared",
    checkpointing: bool = False,
) -> Side:  # fmt: skip
    """Our trainer, with the reference cached.

    Args:
        work: what is trained on.
        params: the method.
        limits: of a micro-batch.
        layout: how pairs share a forward pass.
        checkpointing: recompute activations.
    """
    loss = loss_of(params)
    data = PairDataset(
        work.table,
        params.nll_over if isinstance(params, Orpo) else None,
        work.reference if loss.needs_reference else None,
        layout,
    )
    model = _policy(work, layout)
    batches = InOrder(data, global_batch_size=work.batch, limits=limits)
    trainer = PreferenceTrainer(
        model,
        training_arguments(_run_file(work, checkpointing=checkpointing), work.precision),
        loss=loss,
        params=params,
        batches=batches,
        instruments=Instruments(
            held_out=None,
            precision=work.precision,
            log=None,
            evaluations=None,
            trained=None,
            reporter=Silence(),
            pairs_seen=lambda steps: steps,
        ),
    )
    refer = partial(reference_pass, work) if loss.needs_reference else None
    side = Side(trainer, [data.__getitems__(share) for share in batches], refer)
    return checkpointed(side) if checkpointing else side


class InOrder(GlobalBatches):
    """Global batches in the order of the table, which is that of TRL's sides."""

    def __iter__(self) -> Iterator[Any]:
        for start in range(0, len(self.data), self.global_batch_size):
            end = min(start + self.global_batch_size, len(self.data))
            yield self._share(np.arange(start, end))


def _policy(work: Work, layout: Layout) -> Any:
    model = new_model(work)
    if work.shape.lora:
        model = add_lora(model, config.Lora(), work.precision)
        equal_adapters(model)
    score_tokens(model)
    if layout != "padded":
        attend_to_trees(base_of(model))
    return model


def _run_file(work: Work, *, checkpointing: bool) -> RunConfig:
    return RunConfig.model_validate(
        {
            "data": {"train": "made-up"},
            "model": {"name": "made-up"},
            "method": {"name": "dpo"},
            "hardware": {"gradient_checkpointing": checkpointing},
            "output": {"dir": str(work.folder / "ours")},
        }
    )


def reference_pass(work: Work) -> Any:
    """Returns (P, 2) log-probs of the untouched model, by the engine."""
    model = _policy(work, "shared")
    device = next(model.parameters()).device
    with without_adapters(model):
        places, logps = score_share(
            model, PairDataset(work.table, layout="shared"), micro_batch_size=16, device=device,
            precision=work.precision,
        )  # fmt: skip
    return logps[np.argsort(places)]


def attention_check(work: Work) -> str:
    """Returns how far our attention is from sequences run alone, on this device in this precision."""
    model = new_model(work)
    device: torch.device = next(model.parameters()).device
    data = PairDataset(work.table)
    places = np.arange(min(len(data), work.batch))
    verdict = choose_layout(model, data, places, device=device, precision=work.precision)
    trials = (
        f"{trial.layout} off by {trial.difference:.1e} nats a token"
        if trial.difference is not None
        else trial.reason
        for trial in verdict.trials
    )
    return f"{verdict.layout}: {', '.join(trials)}"
