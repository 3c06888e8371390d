"""Bytes that a process holds when it holds the most, from the sizes of what it computes.

Weights that are trained, their gradients and AdamW's two moments are fp32; everything is whole on every
device, as under DDP. What a step holds peaks where the backward pass begins: all activations are still
there, and the head works on its logits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from prefalign.engine.chunk import LOGITS_BYTES
from prefalign.launch.environment import KERNELS
from prefalign.models.quantised import BYTES
from prefalign.plan.activations import BF16, FP32, Numbers, kept_bytes, layer_bytes
from prefalign.plan.reads import Reads
from prefalign.plan.shape import Shape


@dataclass(frozen=True)
class Setup:
    """What decides bytes besides the sizes of a forward pass.

    Attributes:
        shape: of the model.
        precision: fp32 or bf16.
        checkpointing: activations are recomputed.
        eager: attention makes (T, T) matrices.
        processes: how many share a step.
        quantised: frozen matrices are in 4 bits, but for those of the embeddings and the head.
        offloaded: activations wait for the backward pass elsewhere, all but those of one layer.
    """

    shape: Shape
    precision: str
    checkpointing: bool = False
    eager: bool = False
    processes: int = 1
    quantised: bool = False
    offloaded: bool = False

    @property
    def numbers(self) -> Numbers:
        """Bytes of a number in activations."""
        return Numbers.of(self.shape, self.precision)

    @property
    def weights(self) -> int:
        """Frozen weights have the precision they are multiplied in; adapters are fp32."""
        shape = self.shape
        if not shape.adapters:
            return FP32 * shape.parameters
        frozen = FP32 if self.precision == "fp32" else BF16
        in_4_bits = shape.body if self.quantised else 0
        rest = frozen * (shape.parameters - in_4_bits) + FP32 * shape.adapters
        return int(BYTES * in_4_bits) + rest

    @property
    def gradients(self) -> int:
        """One for each trained weight."""
        return FP32 * self.shape.trainable

    @property
    def copies(self) -> int:
        """What autocast keeps of fp32 weights, and buckets in which processes exchange gradients."""
        shape = self.shape
        matrices = shape.adapters or shape.body + shape.vocabulary * shape.hidden
        cast = BF16 * matrices if self.precision == "bf16" else 0
        return cast + (self.gradients if self.processes > 1 else 0)


_KERNEL_BYTES = 620_000  # measured, the mean of both caches' entries
_NOT_REUSED = 0.8
"""Share of the activations freed last that those of the next pass do not find room in."""


class Held(NamedTuple):
    """Bytes at the peak of a forward and backward pass, by what they are; see `record.Memory`."""

    weights: int
    gradients: int
    optimizer: int
    copies: int
    activations: int
    head: int


def step_memory(setup: Setup, reads: Reads, *, first: bool, moments: bool) -> Held:
    """Returns what is held at the peak of one forward and backward pass.

    Args:
        setup: of the run.
        reads: sizes of the pass.
        first: of its step, so that there are no gradients yet.
        moments: AdamW has them, as it does when the first step has ended.
    """
    shape = setup.shape
    layer = layer_bytes(shape, reads, setup.numbers)
    kept = kept_bytes(
        shape, reads, setup.numbers, checkpointing=setup.checkpointing, eager=setup.eager
    )
    kept = min(kept, layer) if setup.offloaded else kept
    begin = (0 if first else setup.gradients, kept, head_bytes(setup, reads, trained=True))
    end = (setup.gradients, layer, _embeddings(shape))
    gradients, activations, head = max(begin, end, key=sum)
    optimizer = 2 * setup.gradients if moments else 0
    return Held(setup.weights, gradients, optimizer, setup.copies, activations, head)


def update_memory(setup: Setup) -> Held:
    """Returns what is held while AdamW changes the weights, one after the other.

    For the largest it makes a root and a quotient of the same size.
    """
    largest = 0 if setup.shape.adapters else FP32 * setup.shape.vocabulary * setup.shape.hidden
    gradients = setup.gradients
    buckets = gradients if setup.processes > 1 else 0
    return Held(setup.weights, gradients, 2 * gradients, buckets + 2 * largest, 0, 0)


def fragmentation_bytes(held: Held) -> int:
    """Returns what glibc's malloc holds on a CPU beyond what is in use.

    It gives blocks of up to 32 MB back to nobody, and every pass frees its activations. What is left of
    them when sizes differ from pass to pass was measured, not derived: see benchmarks/results.md, Planning.
    """
    return int(_NOT_REUSED * held.activations)


def kernel_bytes(precision: str) -> int:
    """Returns what oneDNN's compiled bf16 kernels take on a CPU; fp32 products have none to keep."""
    return KERNELS * _KERNEL_BYTES if precision == "bf16" else 0


def _embeddings(shape: Shape) -> int:
    """Returns the gradient of the embeddings before it is added to what there is."""
    return 0 if shape.adapters else FP32 * shape.vocabulary * shape.hidden


def head_bytes(setup: Setup, reads: Reads, *, trained: bool) -> int:
    """Returns what `prefalign.engine.head` holds: a chunk of logits, and gradients (N, H) and (V, H).

    A product in bf16 adds its copy of the chunk. Where the head is trained, the softmax of the last chunk
    waits for the backward pass, which computes the others again.
    """
    shape, product = setup.shape, setup.numbers.product
    positions = min(LOGITS_BYTES // (FP32 * shape.vocabulary), reads.scored)
    copied = product if product != FP32 else 0
    chunk, kept = (positions * shape.vocabulary * size for size in (FP32 + copied, product))
    gathered = reads.scored * shape.hidden * product
    if not trained:
        return gathered + chunk
    if not shape.head_is_trained:
        return 3 * gathered + chunk
    again = chunk if reads.scored > positions else 0
    weight = shape.vocabulary * shape.hidden * (FP32 + copied)
    return 3 * gathered + max(chunk, kept + again + weight)


def reference_memory(setup: Setup, reads: Reads) -> int:
    """Returns the peak of a forward pass of the untouched model, in bytes."""
    shape = setup.shape
    base = setup.weights - FP32 * shape.adapters
    cast = 0 if shape.adapters or setup.precision == "fp32" else setup.copies
    return (
        base
        + cast
        + layer_bytes(shape, reads, setup.numbers)
        + head_bytes(setup, reads, trained=False)
    )
