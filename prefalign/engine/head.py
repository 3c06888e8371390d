"""The language-model head at the positions that are scored, without a [tokens, vocab] tensor."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from prefalign.engine.chunk import CHUNK


class TokenScores(NamedTuple):
    """What a model says at each of N positions; fp32, or fp64 for fp64 inputs.

    Attributes:
        logps: (N,) log-prob of the target token, nats.
        top1: (N,) 1 where no token is likelier than the target, else 0. No gradient.
        entropy: (N,) of the distribution, nats, no gradient; None where it would cost anything, which
            is where no gradient is wanted of `logps`.
        log_sum_sq: (N,) log sum_v p(v)^2, nats, no gradient; None unless asked for.
    """

    logps: Tensor
    top1: Tensor
    entropy: Tensor | None = None
    log_sum_sq: Tensor | None = None


def token_scores(
    hidden: Tensor, weight: Tensor, targets: Tensor, *, log_sum_sq: bool = False
) -> TokenScores:
    """Returns the scores of target tokens under softmax(hidden @ weight.T).

    Matrix products run in the dtype of the inputs, the softmax in fp32.

    Args:
        hidden: (N, H) hidden states that predict the targets.
        weight: (V, H) output embeddings, same dtype as `hidden`.
        targets: (N,) int64 token ids.
        log_sum_sq: whether that is asked for.
    """
    if not torch.is_grad_enabled():
        hidden, weight = hidden.detach(), weight.detach()
    return TokenScores(*_TokenScores.apply(hidden, weight, targets, log_sum_sq))  # type: ignore[no-untyped-call]


def scores_of_logits(logits: Tensor, targets: Tensor, *, log_sum_sq: bool = False) -> TokenScores:
    """Returns the same from (N, V) logits, for heads that are more than a linear map."""
    every = logits.to(_softmax_dtype(logits)).log_softmax(-1)
    logps = every.gather(-1, targets[:, None]).squeeze(-1)
    with torch.no_grad():
        return TokenScores(
            logps,
            (logps >= every.amax(-1)).to(logps.dtype),
            torch.special.entr(every.exp()).sum(-1) if every.requires_grad else None,
            (2 * every).logsumexp(-1) if log_sum_sq else None,
        )


class _TokenScores(torch.autograd.Function):
    """Linear, log-softmax and gather in one.

    The gradient of a token's log-prob with respect to its hidden state, weight[target] - softmax @
    weight, does not depend on the loss: the loss only scales it. So the forward pass computes it
    while the logits of a chunk exist, and the backward pass multiplies (N, H) by (N, 1). Only a
    trainable head needs its logits again, for the gradient of the weight.

    Entropy comes out of it: the mean logit is the product of hidden state and softmax @ weight.
    """

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        targets: Tensor,
        log_sum_sq: bool,  # noqa: FBT001  apply has no keywords
    ) -> tuple[Tensor | None, ...]:
        logps = hidden.new_empty(len(hidden), dtype=_softmax_dtype(hidden))
        top1, wants_slope = torch.empty_like(logps), any(ctx.needs_input_grad)
        slope = torch.empty_like(hidden) if wants_slope else None
        entropy = torch.empty_like(logps) if wants_slope else None
        sum_sq = torch.empty_like(logps) if log_sum_sq else None
        for part in _chunks(len(hidden)):
            logits = (hidden[part] @ weight.T).to(logps.dtype)
            largest = logits.amax(-1, keepdim=True)
            target = logits.sub_(largest).gather(-1, targets[part, None])
            powers = logits.exp_()
            total = powers.sum(-1, keepdim=True)
            logps[part] = (target - total.log()).squeeze(-1)
            top1[part] = (target == 0).squeeze(-1).to(top1.dtype)
            if sum_sq is not None:
                norm = torch.linalg.vector_norm(powers, dim=-1)
                sum_sq[part] = 2 * (norm.log() - total.log().squeeze(-1))
            if slope is not None and entropy is not None:
                expected = (powers.div_(total).to(hidden.dtype)) @ weight
                slope[part] = weight[targets[part]] - expected
                mean_logit = (hidden[part].to(logps.dtype) * expected).sum(-1)
                entropy[part] = (total.log() + largest).squeeze(-1) - mean_logit
        ctx.mark_non_differentiable(*(t for t in (top1, entropy, sum_sq) if t is not None))
        if slope is not None:
            ctx.save_for_backward(slope, hidden, weight, targets)
        return logps, top1, entropy, sum_sq

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        slope, hidden, weight, targets = ctx.saved_tensors
        scale = grads[0].to(slope.dtype)[:, None]
        grad_hidden = scale * slope if ctx.needs_input_grad[0] else None
        grad_weight = None
        if ctx.needs_input_grad[1]:
            grad_weight = _weight_grad(hidden, weight, targets, scale)
        return grad_hidden, grad_weight, None, None


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
