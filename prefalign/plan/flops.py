"""Floating-point operations of a run: the fewest that compute it exactly.

A multiply-add counts 2. A matrix of N parameters costs 2 N a token forward, 2 N for the gradient of its
input and 2 N for its own, which frozen weights do not need (Kaplan et al., arXiv:2001.08361,
section 2.1). Attention counts the pairs below the diagonal only, the head scored positions only.
"""

from __future__ import annotations

from prefalign.plan.reads import Reads
from prefalign.plan.record import Flops
from prefalign.plan.shape import Shape


def forward(shape: Shape, read: Reads) -> Flops:
    """Returns what a forward pass without adapters costs."""
    return Flops(
        body=2 * shape.body * read.tokens,
        attention=4 * shape.queries * shape.layers * read.attended,
        head=2 * shape.hidden * shape.vocabulary * read.scored,
    )


def training(shape: Shape, read: Reads, *, checkpointing: bool) -> Flops:
    """Returns what forward and backward cost; `recomputed` is what checkpointing does again."""
    once = forward(shape, read)
    adapters = 2 * shape.adapters * read.tokens
    frozen = bool(shape.adapters)
    return Flops(
        body=(2 if frozen else 3) * once.body + 3 * adapters,
        attention=3 * once.attention,
        head=(3 if shape.head_is_trained else 2) * once.head,
        recomputed=once.body + adapters + once.attention if checkpointing else 0,
    )


def again(shape: Shape, read: Reads) -> Flops:
    """Returns what a forward pass costs that a loss of whole batches asks for before the real one."""
    once = forward(shape, read)
    adapters = 2 * shape.adapters * read.tokens
    return Flops(body=0, attention=0, head=0, recomputed=once.total + adapters)
