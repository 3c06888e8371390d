"""TRL's own trainers, given token ids instead of text."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
import trl.trainer.utils
from datasets import Dataset
from peft import LoraConfig
from trl import DPOConfig, DPOTrainer
from trl.experimental.orpo import ORPOConfig, ORPOTrainer

from benchmarks.training.work import Parts, Side, Work, checkpointed, equal_adapters, new_model
from prefalign import config
from prefalign.models.loading import lora_config
from prefalign.trl.tokens import labelled_row


class _Given(DPOTrainer):  # type: ignore[misc]
    """TRL's DPOTrainer, given token ids and, where they are precomputed, reference log-probs.

    Its head skips the prompts on GPUs only. Here it does so everywhere, or a CPU would make it look worse than
    it is there; `scores_prompts` leaves it as it is on a CPU.
    """

    scores_prompts = False

    def training_step(self, *args: Any, **options: Any) -> Any:
        with self._head():
            return super().training_step(*args, **options)

    def compute_ref_log_probs(self, *args: Any, **options: Any) -> Any:
        with self._head():
            return super().compute_ref_log_probs(*args, **options)

    def _head(self) -> Any:
        return patch.object(trl.trainer.utils, "_use_triton", lambda _: not self.scores_prompts)

    def _prepare_dataset(self, dataset: Any, *_: Any, **_options: Any) -> Any:
        return dataset

    def _precompute_ref_logps(self, dataset: Any, *_: Any) -> Any:
        return dataset


class _GivenOrpo(ORPOTrainer):  # type: ignore[misc]
    """TRL's ORPOTrainer, given token ids."""

    def tokenize_row(self, feature: dict[str, list[int]], *_: Any) -> dict[str, list[int]]:
        return labelled_row(feature)


def trl_dpo(
    work: Work,
    *,
    at_once: int,
    tuned: bool,
    checkpointing: bool = False,
    by_length: bool = False,
    scores_prompts: bool = False,
) -> Side:
    """TRL's DPO as it comes, with a reference in every step and checkpointing, or tuned.

    Args:
        work: what is trained on.
        at_once: pairs of a micro-batch.
        tuned: reference log-probs are kept, and activations are.
        checkpointing: of a tuned side: activations are not.
        by_length: pairs in order of length, the best that grouping by length can do.
        scores_prompts: computes logits of prompts, too, as TRL does where there is no GPU.
    """
    checkpointing = checkpointing or not tuned
    trainer = _Given(
        new_model(work),
        ref_model=None if tuned or work.shape.lora else new_model(work),
        args=DPOConfig(**_values(work, at_once, checkpointing), precompute_ref_log_probs=tuned),
        train_dataset=_rows(work, with_reference=tuned),
        processing_class=work.tokenizer,
        peft_config=_adapters(work),
    )
    trainer.scores_prompts = scores_prompts
    batches = list(_padded_batches(trainer, work, at_once, by_length=by_length))
    return _side(trainer, batches, checkpointing=checkpointing, refers=tuned)


def trl_orpo(work: Work, *, at_once: int, tuned: bool) -> Side:
    """TRL's ORPO: as it comes, or without checkpointing."""
    values = _values(work, at_once, not tuned)
    values |= {"max_length": 1 << 20, "disable_dropout": False, "remove_unused_columns": False}
    trainer = _GivenOrpo(
        new_model(work),
        args=ORPOConfig(**values, beta=0.1),
        train_dataset=_rows(work),
        processing_class=work.tokenizer,
        peft_config=_adapters(work),
    )
    batches = list(_padded_batches(trainer, work, at_once))
    return _side(trainer, batches, checkpointing=not tuned, refers=False)


def _side(trainer: Any, batches: list[Parts], *, checkpointing: bool, refers: bool) -> Side:
    equal_adapters(trainer.model)
    refer = partial(_reference_pass, trainer, batches) if refers else None
    side = Side(trainer, batches, refer)
    return checkpointed(side) if checkpointing else side


def _values(work: Work, at_once: int, checkpointing: bool) -> dict[str, Any]:
    return {
        "output_dir": str(work.folder / "trl"),
        "per_device_train_batch_size": at_once,
        "gradient_checkpointing": checkpointing,
        "bf16": work.precision == "bf16",
        "use_cpu": not torch.cuda.is_available(),
        "max_length": None,
        "report_to": [],
        "disable_tqdm": True,
    }


def _adapters(work: Work) -> LoraConfig | None:
    return lora_config(config.Lora()) if work.shape.lora else None


def _rows(work: Work, *, with_reference: bool = False) -> Dataset:
    rows = Dataset(work.table).select_columns(["prompt_ids", "chosen_ids", "rejected_ids"])
    if not with_reference:
        return rows
    for name, logps in zip(("chosen", "rejected"), work.reference.T, strict=True):
        rows = rows.add_column(f"ref_{name}_logps", logps.tolist())
    return rows


def _padded_batches(
    trainer: Any, work: Work, at_once: int, *, by_length: bool = False
) -> Iterator[Parts]:
    """Yields what TRL's collator makes of each global batch."""
    rows = trainer.train_dataset
    order = np.arange(len(rows))
    if by_length:
        lengths = [len(p) + max(len(c), len(r)) for p, c, r in zip(
            *(rows[name] for name in ("prompt_ids", "chosen_ids", "rejected_ids")), strict=True
        )]  # fmt: skip
        order = np.argsort(lengths, kind="stable")
    for start in range(0, len(order), work.batch):
        pairs = order[start : start + work.batch]
        parts = (pairs[at : at + at_once] for at in range(0, len(pairs), at_once))
        yield [trainer.data_collator([rows[int(place)] for place in part]) for part in parts]


def _reference_pass(trainer: Any, batches: list[Parts]) -> None:
    """Computes what TRL keeps of the reference, the way it does."""
    for part in (part for parts in batches for part in parts):
        trainer.compute_ref_log_probs(trainer.model, trainer._prepare_inputs(part))
