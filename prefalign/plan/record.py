"""What a plan says, in the order in which it is told; `prefalign plan --format json` prints it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Setting(_Part):
    """One value of the resolved run file."""

    key: str = Field(description="group.key")
    value: Any
    source: Literal["default", "recipe", "file", "--set"] = Field(
        description="recipe: the file has the value that its recipe has"
    )
    recipe: str | None = None
    line: int | None = Field(None, description="of the run file, from 1")


class Lengths(_Part):
    """What a max_length does to pairs."""

    max_length: int
    source: str | None = Field(description="null: all pairs")
    pairs: int
    too_long: int = Field(
        description="pairs with a side of more tokens; truncation drop drops them"
    )
    chosen_cut: int = Field(description="completions that lose tokens")
    rejected_cut: int
    emptied: int = Field(description="pairs with a completion that has no token left")
    identical: int = Field(description="pairs whose sides have become the same")
    prompt_tokens: int
    chosen_tokens: int
    rejected_tokens: int
    tokens: int = Field(description="both sides, each with its prompt")


class Data(_Part):
    """The training pairs."""

    pairs: int
    dropped: dict[str, int]
    test_pairs: int | None
    lengths: list[Lengths] = Field(description="before truncation, at several max_lengths")
    recommended: int = Field(
        description="the smallest max_length that cuts fewer than 2 % of pairs"
    )


class Flops(_Part):
    """Floating-point operations; a multiply-add is two."""

    body: int = Field(description="matrices of the layers, adapters included")
    attention: int
    head: int = Field(description="output embeddings, at scored positions")
    recomputed: int = Field(
        0, description="forward again: checkpointing, or a loss that asks for the whole batch first"
    )

    @property
    def total(self) -> int:
        """All of them."""
        return self.body + self.attention + self.head + self.recomputed

    def times(self, number: int) -> Flops:
        """The same work, `number` times."""
        return Flops(**{name: number * value for name, value in self.model_dump().items()})

    def __add__(self, other: Flops) -> Flops:
        return Flops(
            body=self.body + other.body,
            attention=self.attention + other.attention,
            head=self.head + other.head,
            recomputed=self.recomputed + other.recomputed,
        )


class Work(_Part):
    """How much there is to do, exactly as the trainer will do it."""

    steps: int = Field(description="optimiser steps")
    steps_per_epoch: int
    pairs: int = Field(description="every epoch counted")
    forward_passes: int = Field(description="micro-batches, over all processes")
    tokens: int = Field(description="of the pairs; a prompt counts with each completion")
    tokens_read: int = Field(description="places the model computes; padding counts, sharing saves")
    tokens_scored: int = Field(description="positions at which the head is computed")
    evaluations: int = Field(description="of the held-out pairs")
    training: Flops
    reference: Flops = Field(description="untouched model, once; less where some of it is cached")
    evaluation: Flops
    flops: int = Field(description="all operations of the run")


class Memory(_Part):
    """Bytes of one device; without a GPU, of one process."""

    process: int = Field(
        description="without a GPU: libraries and tokenizer, as large as in the process that planned"
    )
    weights: int
    gradients: int = Field(description="where memory peaks")
    optimizer: int
    copies: int = Field(description="bf16 copies of fp32 weights, and buckets of several processes")
    activations: int = Field(description="of the forward pass at which memory peaks")
    head: int = Field(description="logits in work and gradients of the output embeddings")
    training: int = Field(description="peak: the sum from weights to head")
    scoring: int = Field(description="peak of passes without gradients; 0 without any")
    loading: int = Field(description="peak while weights are read; 0 on a GPU")
    kernels: int = Field(description="without a GPU, in bf16: compiled matrix products; measured")
    fragmentation: int = Field(
        description="without a GPU: freed blocks that malloc keeps; measured, not derived"
    )
    peak: int = Field(
        description="process, and the largest of training with kernels and fragmentation, scoring with"
        " kernels, and loading"
    )


class Fit(_Part):
    """Whether it fits."""

    device_memory: int = Field(description="bytes")
    kept_back: int = Field(description="bytes for what torch does not count: the CUDA context")
    fits: bool


class Time(_Part):
    """How long it takes on one kind of GPU."""

    gpu: str
    seconds: float


class Plan(_Part):
    """A run before it is started."""

    version: Literal[1] = 1
    run_file: str
    settings: list[Setting]
    architecture: str
    parameters: int = Field(description="without adapters")
    trainable_parameters: int
    precision: Literal["fp32", "bf16"]
    device: str
    processes: int
    layout: str = Field(description="how pairs share a forward pass")
    data: Data
    work: Work
    memory: Memory
    fit: Fit | None = None
    mfu: float = Field(description="assumed share of a GPU's peak in `times`")
    times: list[Time]
    divided: bool = Field(
        description="the launcher divides the model among processes; `memory` counts a whole one"
    )
    launch: list[str] = Field(description="what starts the run: a line for each machine")
