"""A model's forward that reads a packed row where TRL gives it a padded batch.

TRL's `add_fused_lm_head` made `model(labels=..., fused_lm_head=True)` return what the head says about
each label, without logits. That code stays in use: it is handed the packed row, a hook lets it see the
hidden states of the scored places alone, and its results go where the padded batch had the tokens.
"""

from __future__ import annotations

import functools
import types
from typing import Any

import torch
from torch import Tensor

from prefalign.engine.attention import TreeViews, attend_plainly, attending
from prefalign.plugin.collator import PackedRow

_PER_TOKEN = ("log_probs", "entropy", "log_sum_sq_probs", "mean_logits", "is_top1", "label_mask")


def read_packed_rows(causal_lm: Any) -> None:
    """Gives `causal_lm`, a transformers model with TRL's head, a forward that takes `packed`."""
    padded_forward = causal_lm.forward

    @functools.wraps(padded_forward)
    def forward(self: Any, *args: Any, packed: PackedRow | None = None, **kwargs: Any) -> Any:
        if packed is None or not kwargs.get("fused_lm_head"):
            return padded_forward(*args, **kwargs)
        shape = kwargs.pop("labels")[:, 1:].shape
        views = TreeViews(packed["keys"], packed["query_starts"], packed["key_starts"])
        with attending(views), _only(packed["positions"], self.base_model):
            output = padded_forward(*args, **kwargs | _inputs(packed))
        return _padded(output, packed, shape)

    causal_lm.forward = types.MethodType(forward, causal_lm)
    causal_lm.padded_forward = padded_forward


def read_padded_rows(causal_lm: Any) -> None:
    """Takes that forward away again."""
    causal_lm.forward = causal_lm.padded_forward
    del causal_lm.padded_forward
    attend_plainly(causal_lm)


def _inputs(packed: PackedRow) -> dict[str, Tensor]:
    return {
        "input_ids": packed["input_ids"],
        "position_ids": packed["position_ids"],
        # a mask of ones keeps transformers from looking for the sequences by itself
        "attention_mask": torch.ones_like(packed["input_ids"]),
        "shift_labels": packed["targets"][None],
    }


def _only(positions: Tensor, body: Any) -> Any:
    """Lets `body` return (1, N, H) hidden states at `positions`, while in this context."""

    def gather(_module: Any, _args: Any, output: Any) -> Any:
        hidden = output.last_hidden_state
        output.last_hidden_state = hidden.flatten(0, 1)[positions.to(hidden.device)][None]
        return output

    return body.register_forward_hook(gather)


def _padded(output: Any, packed: PackedRow, shape: torch.Size) -> Any:
    """Returns TRL's (1, N) results as the (2B, L - 1) ones of the padded batch; zero elsewhere."""
    scattered = {}
    for name in _PER_TOKEN:
        values = getattr(output, name)
        if values is not None:
            flat = values.new_zeros(shape.numel())
            scores, slots = (packed[key].to(values.device) for key in ("scores", "slots"))
            scattered[name] = flat.index_copy(0, slots, values[0, scores]).view(shape)
    return type(output)(**scattered)
