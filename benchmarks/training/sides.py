"""The sides of the benchmark: trainers that are asked for the gradient of a global batch."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import torch
import trl.trainer.utils
from datasets import Dataset
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase
from trl import DPOConfig, DPOTrainer
from trl.experimental.orpo import ORPOConfig, ORPOTrainer

from benchmarks.training.shapes import Shape
from prefalign.config import RunConfig
from prefalign.dataset import GlobalBatches, PairDataset
from prefalign.engine.attention import attend_to_trees
from prefalign.engine.bins import Limits
from prefalign.engine.logps import score_tokens
from prefalign.engine.self_test import choose_layout
from prefalign.engine.tree import Layout
from prefalign.engine.trl_tokens import labelled_row
from prefalign.losses import LossParams, loss_of
from prefalign.losses.dpo import Dpo
from prefalign.losses.orpo import Orpo
from prefalign.measure import Instruments
from prefalign.model import Precision
from prefalign.progress import Silence
from prefalign.score import score_share
from prefalign.trainer import PreferenceTrainer, training_arguments

Parts = list[Any]  # the micro-batches of a global batch, as a trainer takes them


@dataclass(frozen=True)
class Work:
    """What all sides are given.

    Attributes:
        shape: of the model.
        model: whose weights all sides share; nothing changes them.
        table: the pairs.
        reference: (P, 2) log-probs of chosen and rejected, nats.
        tokenizer: for TRL's trainers, which want one; nothing is tokenised.
        batch: pairs of a global batch.
        precision: of the passes.
        folder: for what trainers write.
    """

    shape: Shape
    model: Any
    table: pa.Table
    reference: Any
    tokenizer: PreTrainedTokenizerBase
    batch: int
    precision: Precision
    folder: Path


class Side(NamedTuple):
    """One trainer.

    Attributes:
        trainer: of TRL or ours.
        batches: its global batches.
    """

    trainer: Any
    batches: list[Parts]

    def step(self, number: int) -> Tensor:
        """Returns the loss of a global batch, summed over its parts; gradients are left in the model."""
        model, parts = self.trainer.model, self.batches[number]
        model.zero_grad(set_to_none=True)
        if isinstance(self.trainer, PreferenceTrainer):
            return self.trainer.training_step(model, parts)
        self.trainer.current_gradient_accumulation_steps = len(parts)
        return torch.stack([self.trainer.training_step(model, part) for part in parts]).sum()

    def gradient(self) -> Tensor:
        """Returns the flat gradient, on the CPU."""
        found = (p.grad for p in self.trainer.model.parameters() if p.grad is not None)
        return torch.cat([grad.detach().float().flatten().cpu() for grad in found])


def new_model(work: Work) -> Any:
    """Returns a model of its own over the shared weights, with adapters where the shape has them."""
    own = {id(weight): nn.Parameter(weight.data) for weight in work.model.parameters()}
    model = copy.deepcopy(work.model, own)
    if not work.shape.lora:
        return model
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(0)
    return get_peft_model(model, LoraConfig(r=16, lora_alpha=32, target_modules="all-linear"))


def checkpointed(side: Side) -> Side:
    """Recomputes activations in the backward pass, as a trainer does that is told to."""
    side.trainer.model.gradient_checkpointing_enable({"use_reentrant": False})
    return side


class _Given(DPOTrainer):  # type: ignore[misc]
    """TRL's DPOTrainer, given token ids instead of text."""

    def _prepare_dataset(self, dataset: Any, *_: Any, **_options: Any) -> Any:
        return dataset


class _Tuned(_Given):
    """The same at its best: on a CPU, too, its head computes completion positions only.

    TRL selects them on GPUs alone; without this a CPU would make it look worse than it is there.
    """

    def compute_loss(self, *arguments: Any, **options: Any) -> Any:
        with patch.object(trl.trainer.utils, "_use_triton", lambda _device: True):
            return super().compute_loss(*arguments, **options)


class _GivenOrpo(ORPOTrainer):  # type: ignore[misc]
    """TRL's ORPOTrainer, given token ids instead of text."""

    def tokenize_row(self, feature: dict[str, list[int]], *_: Any) -> dict[str, list[int]]:
        return labelled_row(feature)


def _trl_values(work: Work, at_once: int, *, checkpointing: bool) -> dict[str, Any]:
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


def _rows(work: Work) -> Dataset:
    return Dataset(work.table).select_columns(["prompt_ids", "chosen_ids", "rejected_ids"])


def trl_dpo(work: Work, *, at_once: int, tuned: bool, by_length: bool = False) -> Side:
    """TRL's DPO: as it comes, or with a cached reference and without checkpointing.

    Args:
        work: what is trained on.
        at_once: pairs of a micro-batch.
        tuned: reference cached, activations kept.
        by_length: pairs in order of length, the best that grouping by length can do.
    """
    values = _trl_values(work, at_once, checkpointing=not tuned)
    adapted = work.shape.lora
    trainer = (_Tuned if tuned else _Given)(
        new_model(work),
        ref_model=None if tuned or adapted else new_model(work),
        args=DPOConfig(**values, precompute_ref_log_probs=tuned),
        train_dataset=_rows(work),
        processing_class=work.tokenizer,
    )
    side = Side(trainer, list(_padded_batches(trainer, work, at_once, by_length=by_length)))
    return side if tuned else checkpointed(side)


def trl_orpo(work: Work, *, at_once: int, tuned: bool) -> Side:
    """TRL's ORPO: as it comes, or without checkpointing."""
    values = _trl_values(work, at_once, checkpointing=not tuned)
    values |= {"max_length": 1 << 20, "disable_dropout": False, "remove_unused_columns": False}
    trainer = _GivenOrpo(
        new_model(work),
        args=ORPOConfig(**values, beta=0.1),
        train_dataset=_rows(work),
        processing_class=work.tokenizer,
    )
    side = Side(trainer, list(_padded_batches(trainer, work, at_once, by_length=False)))
    return side if tuned else checkpointed(side)


def _padded_batches(trainer: Any, work: Work, at_once: int, *, by_length: bool) -> Iterator[Parts]:
    """Yields what TRL's collator makes of each global batch, on the device."""
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


def ours(
    work: Work, params: LossParams, *, layout: Layout = "shared", checkpointing: bool = False,
    at_once: int = 8,
) -> Side:  # fmt: skip
    """Our trainer, with the reference cached.

    Args:
        work: what is trained on.
        params: the method.
        layout: how pairs share a forward pass.
        checkpointing: recompute activations.
        at_once: pairs of a micro-batch.
    """
    loss = loss_of(params)
    data = PairDataset(
        work.table,
        params.nll_over if isinstance(params, Orpo) else None,
        work.reference if loss.needs_reference else None,
        layout,
    )
    model = new_model(work)
    score_tokens(model)
    if layout != "padded":
        attend_to_trees(model.get_base_model() if work.shape.lora else model)
    batches = InOrder(data, global_batch_size=work.batch, limits=Limits(pairs=at_once))
    trainer = PreferenceTrainer(
        model,
        training_arguments(_run_file(work, checkpointing=checkpointing), work.precision),
        loss=loss,
        params=params,
        batches=batches,
        instruments=Instruments(None, work.precision, None, Silence(), lambda steps: steps),
    )
    side = Side(trainer, [data.__getitems__(share) for share in batches])
    return checkpointed(side) if checkpointing else side


class InOrder(GlobalBatches):
    """Global batches in the order of the table, which is that of TRL's sides."""

    def __iter__(self) -> Iterator[Any]:
        for start in range(0, len(self.data), self.global_batch_size):
            end = min(start + self.global_batch_size, len(self.data))
            yield self._share(np.arange(start, end))


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
    model = new_model(work)
    score_tokens(model)
    attend_to_trees(model.get_base_model() if work.shape.lora else model)
    data = PairDataset(work.table, layout="shared")
    device = next(model.parameters()).device
    places, logps = score_share(
        model, data, micro_batch_size=16, device=device, precision=work.precision
    )
    return logps[np.argsort(places)]


def attention_check(work: Work) -> str:
    """Returns how far our attention is from sequences run alone, on this device in this precision."""
    model = new_model(work)
    device = next(model.parameters()).device
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


Maker = Callable[[Work], Side]

SIDES: dict[str, Maker] = {
    "TRL DPO as it comes": partial(trl_dpo, at_once=8, tuned=False),
    "TRL DPO tuned, 4 at once": partial(trl_dpo, at_once=4, tuned=True),
    "TRL DPO tuned, 8 at once": partial(trl_dpo, at_once=8, tuned=True),
    "TRL DPO tuned, by length": partial(trl_dpo, at_once=8, tuned=True, by_length=True),
    "prefalign DPO": partial(ours, params=Dpo()),
    "prefalign DPO, checkpointed": partial(ours, params=Dpo(), checkpointing=True),
    "prefalign DPO, packed": partial(ours, params=Dpo(), layout="packed"),
    "TRL ORPO as it comes": partial(trl_orpo, at_once=8, tuned=False),
    "TRL ORPO tuned": partial(trl_orpo, at_once=8, tuned=True),
    "prefalign ORPO": partial(ours, params=Orpo(lambda_=0.1)),
}
BASELINE = {"DPO": "TRL DPO as it comes", "ORPO": "TRL ORPO as it comes"}
EXACT = {"DPO": "TRL DPO tuned, 8 at once", "ORPO": "TRL ORPO tuned"}
OURS = {"DPO": "prefalign DPO", "ORPO": "prefalign ORPO"}


def method_of(side: str) -> str:
    """Returns DPO or ORPO."""
    return "ORPO" if "ORPO" in side else "DPO"


def best_of_trl(seconds: dict[str, float], method: str) -> float:
    """Returns the seconds of TRL's fastest side of a method that does not reorder pairs."""
    return min(
        spent
        for name, spent in seconds.items()
        if name.startswith(f"TRL {method}") and "by length" not in name
    )
