"""The engine under a trainer that is not ours: `accelerate_preferences` for TRL's DPOTrainer."""

from __future__ import annotations

import warnings
from contextlib import ExitStack
from typing import Any, TypeVar

from prefalign.engine.logps import base_of
from prefalign.engine.self_test import Verdict
from prefalign.plugin.collator import PackingCollator
from prefalign.plugin.forward import read_packed_rows, read_padded_rows
from prefalign.plugin.reference import keep_reference
from prefalign.plugin.refusals import refuse
from prefalign.plugin.trial import choose_packing

Trainer = TypeVar("Trainer")


def accelerate_preferences(trainer: Trainer) -> Trainer:
    """Makes a DPOTrainer of TRL 1.16 read every prompt once, without padding; all else stays TRL's.

    The batches that TRL's collator makes are packed into one row in which common beginnings stand
    once, the model reads that row, and what TRL's own head says about its completion tokens is put
    back where TRL's loss looks for it. So losses, metrics, logs, the optimiser, checkpoints and
    callbacks are untouched code of TRL's, and every loss type and setting of it works. Where a run
    passes over its pairs more than once, the reference passes over them once, now.

    Before anything is changed, pairs of the trainer's own data go through its models both ways. If
    what they say differs, common beginnings are not shared; if that differs too, or the models'
    attention cannot be reached, a warning says so and the trainer stays as it was. Only this trainer
    and its models are changed, no class is. A second call does nothing.

    Args:
        trainer: a trl.DPOTrainer, before `train()`; full or PEFT, any reference, any loss.

    Returns:
        The same trainer.

    Raises:
        PrefError: it is no DPOTrainer of TRL 1.16, or (ConfigError) one with settings that packed
            rows cannot serve; all of them are named.
    """
    dpo: Any = trainer
    refuse(dpo)
    if isinstance(dpo.data_collator, PackingCollator):
        return trainer
    models = [model for model in (dpo.model, dpo.ref_model) if model is not None]
    with ExitStack() as undo:
        for model in models:
            causal_lm = base_of(dpo.accelerator.unwrap_model(model))
            read_packed_rows(causal_lm)
            undo.callback(read_padded_rows, causal_lm)
        verdict = choose_packing(dpo, models)
        if remark := _remark(verdict):
            warnings.warn(f"accelerate_preferences: {remark}", stacklevel=2)
        if verdict.layout == "padded":
            return trainer
        undo.pop_all()
    dpo.data_collator = PackingCollator(dpo.data_collator, verdict.layout)
    keep_reference(dpo)
    return trainer


def _remark(verdict: Verdict) -> str:
    stays = "; the trainer stays as it was" if verdict.layout == "padded" else ""
    return verdict.sentence() + stays
