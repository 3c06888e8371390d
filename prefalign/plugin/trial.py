"""Which packing a trainer's models may have: tried on its own data against TRL's padded batches."""

from __future__ import annotations

from functools import partial
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from prefalign.engine.attention import attend_to_trees
from prefalign.engine.logps import base_of
from prefalign.engine.self_test import TOLERANCE, Trial, Verdict, attempt, worst_rms
from prefalign.engine.tree import Layout
from prefalign.models.loading import Precision
from prefalign.plugin.collator import PackingCollator

_PACKED: tuple[Layout, ...] = ("shared", "packed")
_LOOKED_AT = 64  # examples among which the longest and the shortest are tried


def choose_packing(trainer: Any, models: list[Any]) -> Verdict:
    """Returns the fastest layout in which all models say what they say of TRL's own batches.

    Args:
        trainer: a DPOTrainer whose collator is TRL's.
        models: its policy and reference, whose forward takes `packed`; left ready for the verdict.
    """
    examples = _longest_and_shortest(trainer.train_dataset)
    tolerance = TOLERANCE[_precision(trainer, models)]
    trials: list[Trial] = []
    for layout in _PACKED:
        difference = partial(_worst, trainer, models, examples, layout)
        trials.append(attempt(layout, difference, tolerance))
        if not trials[-1].reason:
            return Verdict(layout, trials)
    return Verdict("padded", [*trials, Trial("padded", 0.0, "")])  # which is TRL's own


def _worst(trainer: Any, models: list[Any], examples: list[Any], layout: Layout) -> float:
    batch = trainer._prepare_inputs(PackingCollator(trainer.data_collator, layout)(examples))
    return max(_difference(trainer, model, batch) for model in models)


def _difference(trainer: Any, model: Any, batch: dict[str, Any]) -> float:
    """Returns the largest root mean square difference of a completion's token log-probs, in nats."""
    attend_to_trees(base_of(trainer.accelerator.unwrap_model(model)))
    scored = batch["completion_mask"][:, 1:].bool()
    padded = {name: value for name, value in batch.items() if name != "packed"}
    training = model.training
    model.eval()
    try:
        with torch.no_grad(), trainer.accelerator.autocast():
            both = [_token_logps(model, inputs) for inputs in (batch, padded)]
    finally:
        model.train(training)
    found, truth = ([row[mask] for row, mask in zip(logps, scored, strict=True)] for logps in both)
    return worst_rms(found, truth)


def _token_logps(model: Any, batch: dict[str, Any]) -> Tensor:
    """Returns (2B, L - 1) log-probs, as TRL asks for them."""
    unread = ("completion_mask", "ref_chosen_logps", "ref_rejected_logps")
    inputs = {name: value for name, value in batch.items() if name not in unread}
    labels = batch["input_ids"].masked_fill(batch["completion_mask"] == 0, -100)
    logps: Tensor = model(**inputs, labels=labels, use_cache=False, fused_lm_head=True).log_probs
    return logps.double()


def _longest_and_shortest(dataset: Any) -> list[dict[str, Any]]:
    by_length = sorted(islice(dataset, _LOOKED_AT), key=_tokens)
    return [by_length[0], by_length[-1]]


def _tokens(example: dict[str, Any]) -> int:
    return sum(len(example[name]) for name in ("prompt_ids", "chosen_ids", "rejected_ids"))


def _precision(trainer: Any, models: list[Any]) -> Precision:
    """Returns the least precise number in which any of the models computes."""
    wide = all(model.dtype.itemsize >= 4 for model in models)
    return "fp32" if wide and trainer.accelerator.mixed_precision == "no" else "bf16"
