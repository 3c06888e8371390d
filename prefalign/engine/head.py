"""The language-model head at the positions that are scored, without a [tokens, vocab] tensor."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from prefalign.engine.chunk import LOGITS_BYTES


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
    trainable head needs every softmax again, for the gradient of the weight. That of the last chunk is
    kept: the backward pass begins here, before it needs room for anything else.

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
        log_total, top1 = torch.empty_like(logps), torch.empty_like(logps)
        wants_slope = any(ctx.needs_input_grad)
        slope = torch.empty_like(hidden) if wants_slope else None
        entropy = torch.empty_like(logps) if wants_slope else None
        sum_sq = torch.empty_like(logps) if log_sum_sq else None
        kept = hidden.new_empty((0, len(weight))) if ctx.needs_input_grad[1] else None
        for part, logits in _logits_of_chunks(hidden, weight):
            largest = logits.amax(-1, keepdim=True)
            target = logits.sub_(largest).gather(-1, targets[part, None])
            powers = logits.exp_()
            total = powers.sum(-1, keepdim=True)
            logps[part] = (target - total.log()).squeeze(-1)
            log_total[part] = (total.log() + largest).squeeze(-1)
            top1[part] = (target == 0).squeeze(-1).to(top1.dtype)
            if sum_sq is not None:
                norm = torch.linalg.vector_norm(powers, dim=-1)
                sum_sq[part] = 2 * (norm.log() - total.log().squeeze(-1))
            if slope is not None and entropy is not None:
                expected = _product(powers.to(hidden.dtype), weight).div_(total)
                slope[part] = weight[targets[part]] - expected
                mean_logit = (hidden[part].to(logps.dtype) * expected).sum(-1)
                entropy[part] = log_total[part] - mean_logit
            if kept is not None and part.stop == len(hidden):
                kept = _coefficient(powers.div_(total), targets[part], hidden.dtype)
        ctx.mark_non_differentiable(*(t for t in (top1, entropy, sum_sq) if t is not None))
        if slope is not None:
            ctx.save_for_backward(slope, hidden, weight, targets, log_total, kept)
        return logps, top1, entropy, sum_sq

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        slope, hidden, weight, targets, log_total, kept = ctx.saved_tensors
        scale = grads[0].to(slope.dtype)[:, None]
        grad_hidden = scale * slope if ctx.needs_input_grad[0] else None
        grad_weight = None
        if ctx.needs_input_grad[1]:
            scaled = scale * hidden
            done = len(hidden) - len(kept)
            grad_weight = _product(kept.T, scaled[done:])
            for part, logits in _logits_of_chunks(hidden[:done], weight):
                softmax = logits.sub_(log_total[part, None]).exp_()
                coefficient = _coefficient(softmax, targets[part], hidden.dtype)
                _add_product(grad_weight, coefficient.T, scaled[part])
            grad_weight = grad_weight.to(weight.dtype)
        return grad_hidden, grad_weight, None, None


def _logits_of_chunks(hidden: Tensor, weight: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Yields a chunk of the N positions and its logits, all in the same memory; the last is full.

    Fresh memory for each would cost a CPU as much again as the matrix product.
    """
    vocabulary, wide = len(weight), _softmax_dtype(hidden)
    size = max(1, min(len(hidden), LOGITS_BYTES // (vocabulary * wide.itemsize)))
    room = hidden.new_empty((size, vocabulary), dtype=wide)
    for end in range(len(hidden) % size, len(hidden) + 1, size):
        part = slice(max(0, end - size), end)
        if end:
            yield part, _product(hidden[part], weight.T, out=room[: end - part.start])


def _coefficient(softmax: Tensor, targets: Tensor, dtype: torch.dtype) -> Tensor:
    """Returns onehot(target) - softmax, in the memory of `softmax` where `dtype` is its own.

    The gradient of a weight's row is the sum of this, times the loss's slope, times the hidden state.
    """
    ones = torch.ones_like(softmax[:, :1])
    return softmax.neg_().scatter_add_(1, targets[:, None], ones).to(dtype)


def _product(left: Tensor, right: Tensor, out: Tensor | None = None) -> Tensor:
    """Returns left @ right in the dtype of softmax, unrounded where the device can."""
    wide = _softmax_dtype(left)
    if left.dtype == wide:
        return torch.mm(left, right, out=out)
    if _unrounded(left):
        return torch.mm(left, right, out_dtype=wide, **({} if out is None else {"out": out}))
    product = left @ right
    return product.to(wide) if out is None else out.copy_(product)


def _add_product(total: Tensor, left: Tensor, right: Tensor) -> None:
    """Adds left @ right to `total`, as `_product` computes it."""
    if left.dtype == total.dtype:
        total.addmm_(left, right)
    elif _unrounded(left):
        torch.addmm(total, left, right, out_dtype=total.dtype, out=total)
    else:
        total += left @ right


def _unrounded(tensor: Tensor) -> bool:
    """Returns whether matrix products of 16 bits can be had in the 32 that they are summed in."""
    return tensor.is_cuda and torch.version.cuda is not None


def _softmax_dtype(tensor: Tensor) -> torch.dtype:
    return torch.promote_types(tensor.dtype, torch.float32)
