"""The reference's log-probs once a pair, where TRL would compute them at every pass over the pairs."""

from __future__ import annotations

import types
from typing import Any

from datasets import Dataset
from datasets.fingerprint import Hasher
from trl.trainer.utils import hash_module

_COLUMN = "ref_chosen_logps"


def keep_reference(trainer: Any) -> None:
    """Computes the reference's log-probs of a trainer's data sets now, if training needs them twice.

    TRL's `precompute_ref_log_probs` does it, with a progress bar and its cache on disk. What else is
    given to the trainer later (`predict`, another set to `evaluate`) still gets them as it comes.

    Args:
        trainer: a DPOTrainer that is ready to read packed rows.
    """
    if not _pays(trainer):
        return
    args = trainer.args
    trainer._precompute_model_hash = _reference_hash(trainer)
    size = args.precompute_ref_batch_size or args.per_device_train_batch_size
    trainer.train_dataset = trainer._precompute_ref_logps(trainer.train_dataset, "train", size)
    size = args.precompute_ref_batch_size or args.per_device_eval_batch_size
    held_out = trainer.eval_dataset
    if isinstance(held_out, dict):
        trainer.eval_dataset = {
            name: trainer._precompute_ref_logps(dataset, name, size)
            for name, dataset in held_out.items()
        }
    elif held_out is not None:
        trainer.eval_dataset = trainer._precompute_ref_logps(held_out, "eval", size)
    _read_columns_where_given(trainer)


def _pays(trainer: Any) -> bool:
    """Returns whether every pair is met twice, and by the same reference."""
    args, train, held_out = trainer.args, trainer.train_dataset, trainer.eval_dataset
    if trainer.precompute_ref_logps or args.sync_ref_model:
        return False
    sets = [train, *(held_out.values() if isinstance(held_out, dict) else [held_out])]
    if not all(dataset is None or isinstance(dataset, Dataset) for dataset in sets):
        return False
    pairs_a_step = args.train_batch_size * args.gradient_accumulation_steps * args.world_size
    steps = args.max_steps
    passes = steps * pairs_a_step / len(train) if steps > 0 else args.num_train_epochs
    return bool(passes >= 2)


def _reference_hash(trainer: Any) -> str:
    """Returns a hash of all that the log-probs depend on besides a data set."""
    args = trainer.args
    weights = hash_module(trainer.ref_model or trainer.model)
    settings = (args.max_length, args.truncation_mode, args.ld_alpha)
    digest: str = Hasher.hash((weights, settings, trainer.accelerator.mixed_precision))
    return digest


def _read_columns_where_given(trainer: Any) -> None:
    """Lets the loss take the reference's log-probs from the batches that have them."""
    plain = trainer._compute_loss

    def _compute_loss(self: Any, model: Any, inputs: dict[str, Any], return_outputs: bool) -> Any:  # noqa: FBT001  TRL's signature
        self.precompute_ref_logps = _COLUMN in inputs
        try:
            return plain(model, inputs, return_outputs)
        finally:
            self.precompute_ref_logps = False

    trainer._compute_loss = types.MethodType(_compute_loss, trainer)
