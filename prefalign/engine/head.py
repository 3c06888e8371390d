"""The language-model head at the positions that are scored, without a [tokens, vocab] tensor."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

CHUNK = 512
"""Positions whose logits exist at once: 512 x 128k vocabulary in fp32 is 256 MiB."""


def token_logps(hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """Returns the log-prob of each target token under softmax(hidden @ weight.T).

    Args:
        hidden: (N, H) hidden states that predict the targets.
        weight: (V, H) output embeddings, same dtype as `hidden`.
        targets: (N,) int64 token ids.

    Returns:
        (N,) nats, fp32 (fp64 for fp64 inputs). Matrix products run in the dtype of the inputs, the
        softmax in fp32.
    """
    if not torch.is_grad_enabled():
        hidden, weight = hidden.detach(), weight.detach()
    logps: Tensor = _TokenLogps.apply(hidden, weight, targets)  # type: ignore[no-untyped-call]
    return logps


class _TokenLogps(torch.autograd.Function):
    """Linear, log-softmax and gather in one.

    The gradient of a token's log-prob with respect to its hidden state, weight[target] - softmax @
    weight, does not depend on the loss: the loss only scales it. So the forward pass computes it
    while the logits of a chunk exist, and the backward pass multiplies (N, H) by (N, 1). Only a
    trainable head needs its logits again, for the gradient of the weight.
    """

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
        logps = hidden.new_empty(len(hidden), dtype=_softmax_dtype(hidden))
        slope = torch.empty_like(hidden) if any(ctx.needs_input_grad) else None
        for part in _chunks(len(hidden)):
            logits = (hidden[part] @ weight.T).to(logps.dtype)
            logits -= logits.amax(-1, keepdim=True)
            target = logits.gather(-1, targets[part, None])
            total = logits.exp_().sum(-1, keepdim=True)
            logps[part] = (target - total.log()).squeeze(-1)
            if slope is not None:
                expected = (logits.div_(total).to(hidden.dtype)) @ weight
                slope[part] = weight[targets[part]] - expected
        if slope is not None:
            ctx.save_for_backward(slope, hidden, weight, targets)
        return logps

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        slope, hidden, weight, targets = ctx.saved_tensors
        scale = grads[0].to(slope.dtype)[:, None]
        grad_hidden = scale * slope if ctx.needs_input_grad[0] else None
        grad_weight = None
        if ctx.needs_input_grad[1]:
            grad_weight = _weight_grad(hidden, weight, targets, scale)
        return grad_hidden, grad_weight, None


def _weight_grad(hidden: Tensor, weight: Tensor, targets: Tensor, scale: Tensor) -> Tensor:
    """Returns (V, H): the sum over tokens of scale * (onehot(target) - softmax) x hidden."""
    total = torch.zeros_like(weight, dtype=_softmax_dtype(weight))
    for part in _chunks(len(hidden)):
        logits = (hidden[part] @ weight.T).to(total.dtype)
        coefficient = logits.softmax(-1).neg_()
        coefficient.scatter_add_(1, targets[part, None], torch.ones_like(logits[:, :1]))
        total += (coefficient.to(hidden.dtype) * scale[part]).T @ hidden[part]
    return total.to(weight.dtype)


def _softmax_dtype(tensor: Tensor) -> torch.dtype:
    return torch.promote_types(tensor.dtype, torch.float32)


def _chunks(length: int) -> list[slice]:
    return [slice(start, start + CHUNK) for start in range(0, length, CHUNK)]
