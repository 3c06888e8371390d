"""The reference's log-probs once a pair, where TRL would compute them at every pass over the pairs."""

from __future__ import annotations

import types
from typing import Any

import torch
from accelerate.utils import tqdm
from datasets import Dataset
from torch.utils.data import DataLoader

_COLUMNS = ("ref_chosen_logps", "ref_rejected_logps")


def keep_reference(trainer: Any) -> None:
    """Computes the reference's log-probs of a trainer's data sets now, if training needs them twice.

    They become the columns of TRL's `precompute_ref_log_probs`. What is given to the trainer later
    (`predict`, another set to `evaluate`) gets them as it comes. Nothing is written to disk.

    Args:
        trainer: a DPOTrainer that is ready to read packed rows.
    """
    if not _pays(trainer):
        return
    trainer.train_dataset = _scored(trainer, trainer.train_dataset, "train")
    held_out = trainer.eval_dataset
    if isinstance(held_out, dict):
        trainer.eval_dataset = {
            name: _scored(trainer, dataset, name) for name, dataset in held_out.items()
        }
    elif held_out is not None:
        trainer.eval_dataset = _scored(trainer, held_out, "eval")
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


def _scored(trainer: Any, dataset: Dataset, name: str) -> Dataset:
    """Returns `dataset` with the two columns; all processes share the work and get the whole."""
    args, accelerator = trainer.args, trainer.accelerator
    loader = accelerator.prepare(
        DataLoader(
            dataset,
            args.precompute_ref_batch_size or args.per_device_train_batch_size,
            collate_fn=trainer.data_collator,
            num_workers=args.dataloader_num_workers,
        )
    )
    told = tqdm(loader, desc=f"Reference log-probs of {name}", disable=args.disable_tqdm)
    reference = trainer.ref_model or trainer.model
    sums = [
        accelerator.gather_for_metrics(trainer.compute_ref_log_probs(reference, batch))
        for batch in told
    ]
    for column, batches in zip(_COLUMNS, zip(*sums, strict=True), strict=True):
        dataset = dataset.add_column(column, torch.cat(batches).float().cpu().numpy())
    return dataset


def _read_columns_where_given(trainer: Any) -> None:
    """Lets the loss take the reference's log-probs from the batches that have them."""
    plain = trainer._compute_loss

    def _compute_loss(self: Any, model: Any, inputs: dict[str, Any], return_outputs: bool) -> Any:  # noqa: FBT001  TRL's signature
        self.precompute_ref_logps = _COLUMNS[0] in inputs
        try:
            return plain(model, inputs, return_outputs)
        finally:
            self.precompute_ref_logps = False

    trainer._compute_loss = types.MethodType(_compute_loss, trainer)
