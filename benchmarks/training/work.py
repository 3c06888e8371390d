"""What all sides of the benchmark are given, and what a side is."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from benchmarks.training.shapes import Shape
from prefalign.models.loading import Precision
from prefalign.trainer import PreferenceTrainer

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
        refer: computes the reference log-probs of all pairs; None where none are kept.
    """

    trainer: Any
    batches: list[Parts]
    refer: Callable[[], Any] | None = None

    def step(self, number: int) -> Tensor:
        """Returns the loss of a global batch, summed over its parts; gradients are left in the model."""
        model, parts = self.trainer.model, self.batches[number]
        model.zero_grad(set_to_none=True)
        if isinstance(self.trainer, PreferenceTrainer):
            return self.trainer.training_step(model, parts)
        self.trainer.current_gradient_accumulation_steps = len(parts)
        return torch.stack([self.trainer.training_step(model, part) for part in parts]).sum()

    def gradient(self) -> list[Tensor]:
        """Returns the gradient of each weight."""
        return [w.grad for w in self.trainer.model.parameters() if w.grad is not None]


def new_model(work: Work) -> Any:
    """Returns a model of its own over the shared weights."""
    own = {id(weight): nn.Parameter(weight.data) for weight in work.model.parameters()}
    return copy.deepcopy(work.model, own)


def equal_adapters(model: Any) -> None:
    """Gives all sides' adapters the same start, whatever random numbers their trainers have drawn."""
    generator = torch.Generator().manual_seed(0)
    for name, weight in model.named_parameters():
        if weight.requires_grad and "lora_A" in name:
            drawn = torch.randn(weight.shape, generator=generator) / weight.shape[1] ** 0.5
            weight.data.copy_(drawn)


def checkpointed(side: Side) -> Side:
    """Recomputes activations in the backward pass, as a trainer does that is told to."""
    side.trainer.model.gradient_checkpointing_enable({"use_reentrant": False})
    if hasattr(side.trainer.model, "get_base_model"):
        side.trainer.model.enable_input_require_grads()
    return side
