"""Completion log-probs of a batch of pairs, computed where they are needed and nowhere else.

`score_tokens` gives a causal language model a second way through `forward`: called with `targets`,
it returns the log-prob of each target, and what else comes with it, instead of logits over the vocabulary. It is `forward` that
changes, so a call on whatever wraps the model (PEFT, DDP, FSDP, autocast) takes the same path.
"""

from __future__ import annotations

import types
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple, TypedDict

import torch
from peft import PeftModel
from torch import Tensor, nn

from prefalign.engine.attention import TreeViews, attending
from prefalign.engine.head import TokenScores, scores_of_logits, token_scores

_READ = ("input_ids", "position_ids", *TreeViews._fields, "positions", "targets")


class Batch(TypedDict, total=False):
    """B pairs over C distinct completions, with N tokens to score; see `prefalign.engine.tree`.

    A sequence is read without its last token, which predicts nothing. A causal model never looks
    right, so padding on the right needs no attention mask.

    Attributes:
        input_ids: (R, T) int64.
        position_ids: (1, T) int64, of a packed row only.
        keys, query_starts, key_starts: `tree.Views`, of a packed row only.
        positions: (N,) int64, where the hidden state that predicts a target stands in the
            flattened (R * T) rows.
        targets: (N,) int64 token ids.
        scores: (M,) int64, a target for each token of a sum; sums share what stands once.
        segments: (M,) int64, the sum that token belongs to: completion c of C, or C + p for the p-th
            distinct prompt, which is scored only where a loss asks for it.
        edges: (3, B) int64, each pair's sums: chosen, rejected, prompt; (5, B) with the tails of chosen
            and rejected where a loss needs them.
        completion_tokens: (2B,) int64, chosen first.
        nll_tokens: (B,) int64, tokens of the NLL term.
        reference: (2B,) float64 nats, completion log-probs of the reference model, chosen first; (4B,)
            with the tails behind them.
        label_probability: (B,) float64, that the label is right.
        weights: (B,) float64, 1 for a pair and 0 for one that only fills a process's batch.
        pairs: (B,) int64, place of each pair in its token store.
        global_pairs: () int64, pairs of the global batch.
        global_nll_tokens: () int64, NLL tokens of the global batch.
    """

    input_ids: Tensor
    position_ids: Tensor
    keys: Tensor
    query_starts: Tensor
    key_starts: Tensor
    positions: Tensor
    targets: Tensor
    scores: Tensor
    segments: Tensor
    edges: Tensor
    completion_tokens: Tensor
    nll_tokens: Tensor
    reference: Tensor
    label_probability: Tensor
    weights: Tensor
    pairs: Tensor
    global_pairs: Tensor
    global_nll_tokens: Tensor


class SegmentLogps(NamedTuple):
    """Sums over tokens, float64 (float32 on devices without it), in nats where they are log-probs.

    Only log-probs have gradients; the others are None where nobody asked for them.

    Attributes:
        chosen, rejected: (B,) log-probs of completion tokens.
        prompt: (B,) log-probs of the scored prompt tokens; zero where none were asked for.
        chosen_tail, rejected_tail: (B,) log-probs of the tokens behind as many as the shorter completion
            of the pair has; zero for that one.
        chosen_entropy, rejected_entropy: (B,) entropies, see `TokenScores`.
        chosen_top1: (B,) completion tokens than which the model finds none likelier.
        chosen_log_sum_sq, rejected_log_sum_sq: (B,) see `TokenScores`.
    """

    chosen: Tensor
    rejected: Tensor
    prompt: Tensor
    chosen_tail: Tensor | None = None
    rejected_tail: Tensor | None = None
    chosen_entropy: Tensor | None = None
    rejected_entropy: Tensor | None = None
    chosen_top1: Tensor | None = None
    chosen_log_sum_sq: Tensor | None = None
    rejected_log_sum_sq: Tensor | None = None


def segment_logps(model: nn.Module, batch: Batch, *, log_sum_sq: bool = False) -> SegmentLogps:
    """Returns the sums of a batch; `model` went through `score_tokens`, wrapped or not.

    Sums are taken in float64: over hundreds of tokens float32 loses digits that a difference of
    two log-probs then shows.

    Args:
        model: the policy or the reference.
        batch: the pairs.
        log_sum_sq: whether those of `TokenScores` are asked for.
    """
    scores = target_scores(model, batch, log_sum_sq=log_sum_sq)
    names = ("chosen", "rejected", "prompt", "chosen_tail", "rejected_tail")
    sums = dict(zip(names, _sums(scores.logps, batch), strict=False))
    sums["chosen_top1"] = _sums(scores.top1, batch)[0]
    if scores.entropy is not None:
        sums["chosen_entropy"], sums["rejected_entropy"] = _sums(scores.entropy, batch)[:2]
    if scores.log_sum_sq is not None:
        sum_sq = _sums(scores.log_sum_sq, batch)
        sums["chosen_log_sum_sq"], sums["rejected_log_sum_sq"] = sum_sq[:2]
    return SegmentLogps(**sums)


def _sums(values: Tensor, batch: Batch) -> Tensor:
    """Returns the sum of (N,) values of targets at each of the edges, in their shape."""
    edges = batch["edges"]
    dtype = torch.float32 if values.device.type == "mps" else torch.float64
    sums = torch.zeros(edges.numel(), dtype=dtype, device=values.device)
    return sums.index_add(0, batch["segments"], values.to(dtype)[batch["scores"]])[edges]


def target_logps(model: nn.Module, batch: Batch) -> Tensor:
    """Returns (N,) log-probs of a batch's targets, nats; see `segment_logps` for the model."""
    return target_scores(model, batch).logps


def target_scores(model: nn.Module, batch: Batch, *, log_sum_sq: bool = False) -> TokenScores:
    """Returns the scores of a batch's N targets; see `segment_logps`."""
    tensors: Any = batch
    inputs = {name: tensors[name] for name in _READ if name in batch}
    if "keys" in batch:
        # a mask of ones keeps transformers from looking for the sequences by itself
        inputs["attention_mask"] = torch.ones_like(batch["input_ids"])
    scores: TokenScores = model(**inputs, log_sum_sq=log_sum_sq, use_cache=False)
    return scores


def base_of(model: Any) -> Any:
    """Returns the transformers model itself, which adapters may be around."""
    return model.get_base_model() if isinstance(model, PeftModel) else model


def without_adapters(model: Any) -> AbstractContextManager[Any]:
    """Returns the context in which a model runs as it was before it got adapters."""
    return model.disable_adapter() if isinstance(model, PeftModel) else nullcontext()


def score_tokens(model: nn.Module) -> None:
    """Lets `model(targets=..., positions=...)` return the `TokenScores` of N targets, once.

    The body's hidden states are gathered before the head. A model whose logits are more than a
    linear map of those (soft caps, scales, biases, adapters on the head) keeps its own head: what
    a short input gives both ways decides. Where a model is divided among processes, all of them call
    this together.

    Args:
        model: a causal language model of transformers, or a PEFT model around one.
    """
    causal_lm = base_of(model)
    if getattr(causal_lm, "scores_tokens", False):
        return
    plain_forward = causal_lm.forward

    def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
        targets = kwargs.pop("targets", None)
        if targets is None:
            return plain_forward(*args, **kwargs)
        positions, log_sum_sq = kwargs.pop("positions"), kwargs.pop("log_sum_sq", False)
        head = self.get_output_embeddings()
        # adapters that were put around the head since then need its logits
        through_body = getattr(head, "scores_tokens", False)
        with attending(_views(kwargs)):
            if through_body:
                hidden = self.base_model(*args, **kwargs)[0].flatten(0, 1)[positions]
            else:
                logits = plain_forward(*args, **kwargs).logits.flatten(0, 1)[positions]
        if through_body:
            scores: TokenScores = head(hidden, targets=targets, log_sum_sq=log_sum_sq)
            return scores
        return scores_of_logits(logits, targets, log_sum_sq=log_sum_sq)

    causal_lm.forward = types.MethodType(forward, causal_lm)
    causal_lm.scores_tokens = True
    head = causal_lm.get_output_embeddings()
    if _is_linear(head) and causal_lm.base_model is not causal_lm:
        _score_in_head(head)
        head.scores_tokens = _body_and_head_suffice(model)


def _score_in_head(head: Any) -> None:
    """Lets `head(hidden, targets=...)` return `TokenScores`.

    The head is called as a module because hooks of FSDP have to run around every use of its weight:
    they gather it before, and again in the backward pass.
    """

    def forward(
        self: Any, hidden: Tensor, *, targets: Tensor | None = None, log_sum_sq: bool = False
    ) -> Any:
        if targets is None:
            return nn.Linear.forward(self, hidden)
        hidden, weight = _same_dtype(hidden, self.weight)
        return token_scores(hidden, weight, targets, log_sum_sq=log_sum_sq)

    head.forward = types.MethodType(forward, head)
    head.scores_tokens = True


def _views(inputs: dict[str, Any]) -> TreeViews | None:
    """Takes the views of a packed row out of a model's inputs."""
    if "keys" not in inputs:
        return None
    return TreeViews(*(inputs.pop(name) for name in TreeViews._fields))


def _same_dtype(hidden: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Returns both in the dtype in which autocast, or else the hidden states, would multiply."""
    kind = hidden.device.type
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else hidden.dtype
    return hidden.to(dtype), weight.to(dtype)


def _is_linear(head: Any) -> bool:
    """Returns whether a head is a plain linear layer, which FSDP may have made a class of its own."""
    return type(head).forward is nn.Linear.forward and head.bias is None


@torch.no_grad()
def _body_and_head_suffice(model: Any) -> bool:
    """Returns whether log-probs are those of output embeddings times the last hidden state.

    Asked of the whole model, so that hooks around it and in it run.
    """
    training = model.training
    model.eval()
    tokens = torch.arange(1, 5, device=base_of(model).device)
    inputs = {"input_ids": tokens[None], "use_cache": False}
    with without_adapters(model):
        found: Any = model(**inputs, positions=tokens - 1, targets=tokens, log_sum_sq=True)
        logits = model(**inputs).logits[0]
    model.train(training)
    want: Any = scores_of_logits(logits, tokens, log_sum_sq=True)
    rounding = 5e-2 if logits.dtype.itemsize == 2 else 1e-5
    # the sum of squares stands for the rest of the vocabulary
    return all(
        torch.allclose(mine, its, rtol=0, atol=rounding)
        for mine, its in ((found.logps, want.logps), (found.log_sum_sq, want.log_sum_sq))
    )
