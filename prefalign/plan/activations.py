"""Bytes that a forward pass keeps for the backward pass, layer by layer.

Counted for the decoder layer that nearly all open models have: norm, grouped attention, norm, gated
feed-forward. A test holds the formula to the tensors that autograd really saves.
"""

from __future__ import annotations

from typing import NamedTuple

from prefalign.plan.reads import Reads
from prefalign.plan.shape import Shape

FP32, BF16 = 4, 2  # bytes


class Numbers(NamedTuple):
    """Bytes of a number in what is kept.

    Attributes:
        product: inputs and outputs of matrix products.
        residual: the stream between layers.
    """

    product: int
    residual: int

    @classmethod
    def of(cls, shape: Shape, precision: str) -> Numbers:
        """Returns the sizes of a run: autocast leaves the stream of fp32 weights in fp32."""
        product = FP32 if precision == "fp32" else BF16
        return cls(product, product if shape.adapters else FP32)


def layer_bytes(shape: Shape, read: Reads, numbers: Numbers) -> int:
    """Returns what one layer keeps.

    Norms keep their input in fp32, and what they made of it where their weights are trained. A matrix
    product keeps its input where a weight or an adapter needs it: one tensor for all that read it, but
    under autocast with fp32 weights one bf16 copy for each of q, k, v, gate and up. The
    feed-forward keeps gate, its activation, up and their product.
    """
    frozen, copied = bool(shape.adapters), numbers.product != numbers.residual
    norms = shape.norms * FP32 * (1 if frozen else 2)
    inputs = (5 if copied else 2) * shape.hidden + shape.queries
    feed_forward = 4 * shape.inner
    attention = shape.queries + (0 if read.packed else 2 * shape.keys)
    per_token = norms + (inputs + feed_forward + attention + shape.adapter_ranks) * numbers.product
    return read.tokens * per_token + _views(shape, read, numbers)


def _views(shape: Shape, read: Reads, numbers: Numbers) -> int:
    """Returns what attention by views adds: gathered keys and values, and outputs before joining."""
    if not read.packed:
        return 0
    return (2 * shape.keys * read.keys + shape.queries * read.tokens) * numbers.product


def eager_bytes(shape: Shape, read: Reads) -> int:
    """Returns what plain attention adds to a layer in fp32: (T, T) weights, keys for every head."""
    heads_of_keys = 2 * (shape.queries - shape.keys) * read.tokens
    width = read.tokens // read.rows
    weights = read.rows * width * width * (shape.queries // shape.head_width)
    return (heads_of_keys + weights) * FP32


def kept_bytes(
    shape: Shape, read: Reads, numbers: Numbers, *, checkpointing: bool, eager: bool
) -> int:
    """Returns what the body keeps until the backward pass.

    With checkpointing every layer keeps its input, and one layer at a time all the rest.
    """
    layer = layer_bytes(shape, read, numbers) + (eager_bytes(shape, read) if eager else 0)
    last = read.tokens * shape.hidden * FP32 * (1 if shape.adapters else 2)  # the final norm
    if not checkpointing:
        return shape.layers * layer + last
    return shape.layers * read.tokens * shape.hidden * numbers.residual + layer + last
