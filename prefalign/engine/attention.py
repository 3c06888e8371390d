"""Attention over a packed row, for models of transformers as they are.

A model asks `AttentionMaskInterface` for its masks and `AttentionInterface` for attention itself. Both
are ours while a row is packed: instead of a (T, T) mask the model hands each layer a `TreeMask`, which
says what the views are (see `prefalign.engine.tree.Views`) and what the model's own mask function makes
of positions. That function alone decides about sliding windows and chunks, so they are exact: on its
path a view is an ordinary sequence, and its positions are what the function is asked about.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, causal_mask_function
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

MaskFunction: TypeAlias = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]

_NAME = "prefalign_over_"
_VARLEN_WIDEST = 256  # largest head of the varlen kernels


class Unsupported(Exception):
    """A model does not take its masks or its attention from transformers' interfaces."""


class TreeViews(NamedTuple):
    """`prefalign.engine.tree.Views` as tensors on the device of the row."""

    keys: Tensor
    query_starts: Tensor
    key_starts: Tensor


_VIEWS: ContextVar[TreeViews | None] = ContextVar("views", default=None)


@contextmanager
def attending(views: TreeViews | None) -> Iterator[None]:
    """Lets a model that went through `attend_to_trees` read a row with these views."""
    token = _VIEWS.set(views)
    try:
        yield
    finally:
        _VIEWS.reset(token)


def attend_to_trees(model: Any) -> None:
    """Puts our attention in front of the one that `model` uses, which still serves all other calls.

    Args:
        model: a transformers model.

    Raises:
        Unsupported: its code does not call transformers' attention interface.
    """
    plain = model.config._attn_implementation
    if plain.startswith(_NAME):
        return
    if not model._can_set_attn_implementation():
        raise Unsupported(f"{type(model).__name__} has attention code of its own")
    name = f"{_NAME}{plain}"
    AttentionInterface.register(name, partial(_attention, plain))
    AttentionMaskInterface.register(name, partial(_mask, plain))
    model.set_attn_implementation(name)


def attend_plainly(model: Any) -> None:
    """Takes our attention away again."""
    implementation = model.config._attn_implementation
    if implementation.startswith(_NAME):
        model.set_attn_implementation(implementation.removeprefix(_NAME))


@dataclass(frozen=True)
class TreeMask:
    """What a layer is given as its attention mask.

    Attributes:
        views: of the row.
        allowed: the model's mask function: (batch, head, query position, key position) -> bool.
        window: keys that a query sees, itself included; None for all before it. 0: `allowed` is
            neither, and has to be asked.
    """

    views: TreeViews
    allowed: MaskFunction
    window: int | None

    @cached_property
    def longest(self) -> tuple[int, int]:
        """Most queries and most keys of a view."""
        queries, keys = torch.stack([starts.diff().max() for starts in self.views[1:]]).tolist()
        return queries, keys

    @cached_property
    def lengths(self) -> tuple[list[int], list[int]]:
        """Queries and keys of each view."""
        queries, keys = (starts.diff().tolist() for starts in self.views[1:])
        return queries, keys

    @cached_property
    def masks(self) -> list[Tensor | None]:
        """(queries, keys) bool of each view; None for the lower triangle of a square."""
        return [self._mask(*lengths) for lengths in zip(*self.lengths, strict=True)]

    def _mask(self, queries: int, keys: int) -> Tensor | None:
        if queries == keys and (self.window is None or self.window >= keys > 0):
            return None
        positions = torch.arange(keys, device=self.views.keys.device)
        none = positions.new_zeros(())
        allowed = self.allowed(none, none, positions[keys - queries :, None], positions[None])
        return allowed.expand(queries, keys)


def _mask(plain: str, *args: Any, mask_function: MaskFunction, **options: Any) -> Any:
    """Returns a `TreeMask` for a packed row and the plain mask for anything else."""
    views = _VIEWS.get()
    if views is None:
        make = ALL_MASK_ATTENTION_FUNCTIONS[plain]
        return make(*args, mask_function=mask_function, **options)
    return TreeMask(views, mask_function, _window(mask_function, options.get("local_size")))


def _window(allowed: MaskFunction, size: int | None) -> int | None:
    """Returns `TreeMask.window`; a window of `size` keys is one that looks like it around its ends.

    Chunks of as many keys, for one, are cut there. All places would be a square of thousands a pass.
    """
    if allowed is causal_mask_function:
        return None
    if size is None:
        return 0
    keys = torch.arange(2 * size + 1)
    queries = torch.tensor([0, size // 2, size - 1, size, size + 1, 2 * size - 1, 2 * size])
    none = keys.new_zeros(())
    try:
        found = allowed(none, none, queries[:, None], keys[None])
    except RuntimeError:  # it holds tensors of another device: chunks behind padding
        return 0
    behind = queries[:, None] - keys[None]
    return size if torch.equal(found, (behind >= 0) & (behind < size)) else 0


@torch.compiler.disable  # type: ignore[untyped-decorator]  # else a graph for every number of views
def _attention(
    plain: str,
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Any,
    scaling: float | None = None,
    dropout: float = 0.0,
    **options: Any,
) -> tuple[Tensor, Tensor | None]:
    """Returns (B, T, H, D) outputs, as transformers' attention functions do.

    Args:
        plain: name of the implementation for all but packed rows.
        module: the layer.
        query: (B, H, T, D).
        key: (B, H, T, D), with fewer heads where they are grouped.
        value: like `key`, possibly narrower.
        attention_mask: what `_mask` made.
        scaling: of the scores.
        dropout: share of attention weights that are dropped.
        options: `softcap` bends the scores, `s_aux` adds a sink to each head's softmax.
    """
    if not isinstance(attention_mask, TreeMask):
        if _VIEWS.get() is not None:
            raise Unsupported(f"{type(module).__name__} has masks of its own")
        attend = _plain_attention(plain, module)
        outputs: tuple[Tensor, Tensor | None] = attend(
            module, query, key, value, attention_mask,
            scaling=scaling, dropout=dropout, **options,
        )  # fmt: skip
        return outputs
    keys = attention_mask.views.keys
    query, key, value = _as_multiplied(query, key, value)
    key, value = (tensor.index_select(2, keys) for tensor in (key, value))
    scaling = query.shape[-1] ** -0.5 if scaling is None else scaling
    softcap, sinks = options.get("softcap"), options.get("s_aux")
    if softcap is not None or sinks is not None:
        one = partial(_bent, softcap=softcap, sinks=sinks, scaling=scaling, dropout=dropout)
        return _by_view(one, attention_mask, query, key, value), None
    if _varlen_can(query, value, attention_mask, dropout):
        return _varlen(attention_mask, query, key, value, scaling), None
    one = partial(_sdpa, scaling=scaling, dropout=dropout)
    return _by_view(one, attention_mask, query, key, value), None


def _as_multiplied(*tensors: Tensor) -> Iterator[Tensor]:
    """Yields tensors in the precision of autocast, to which PyTorch's own attention would bring them.

    Rotary embeddings in the precision of fp32 weights make queries and keys fp32, which no kernel takes.
    """
    kind = tensors[0].device.type
    enabled = torch.is_autocast_enabled(kind)
    for tensor in tensors:
        yield tensor.to(torch.get_autocast_dtype(kind)) if enabled else tensor


def _plain_attention(plain: str, module: nn.Module) -> Any:
    """Returns what the model would have called; each modelling file has its own eager attention."""
    eager = getattr(sys.modules[type(module).__module__], "eager_attention_forward", None)
    return ALL_ATTENTION_FUNCTIONS.get_interface(plain, eager)


def _by_view(attend: Any, mask: TreeMask, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Returns (1, T, H, D): each view attended on its own, exact on every device."""
    queries, keys = mask.lengths
    parts = zip(
        torch.split(query, queries, 2), torch.split(key, keys, 2), torch.split(value, keys, 2),
        mask.masks, strict=True,
    )  # fmt: skip
    return torch.cat([attend(q, k, v, allowed).transpose(1, 2) for q, k, v, allowed in parts], 1)


def _sdpa(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    allowed: Tensor | None,
    *,
    scaling: float,
    dropout: float,
) -> Tensor:
    return scaled_dot_product_attention(
        query, key, value, allowed, dropout, is_causal=allowed is None, scale=scaling,
        enable_gqa=query.shape[1] != key.shape[1],
    )  # fmt: skip


def _bent(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    allowed: Tensor | None,
    *,
    softcap: float | None,
    sinks: Tensor | None,
    scaling: float,
    dropout: float,
) -> Tensor:
    """Attention with capped scores (Gemma 2, arXiv:2408.00118) or sinks (gpt-oss, arXiv:2508.10925)."""
    groups = query.shape[1] // key.shape[1]
    key, value = (tensor.repeat_interleave(groups, 1) for tensor in (key, value))
    scores = query @ key.transpose(2, 3) * scaling
    if softcap is not None:
        scores = softcap * torch.tanh(scores / softcap)
    if allowed is None:
        allowed = torch.ones(scores.shape[-2:], dtype=torch.bool, device=query.device).tril()
    scores = scores.masked_fill(~allowed, torch.finfo(scores.dtype).min)
    if sinks is not None:
        sink = sinks.view(1, -1, 1, 1).expand(*scores.shape[:-1], 1).to(scores)
        scores = torch.cat((scores, sink), -1)
    wide = torch.promote_types(query.dtype, torch.float32)
    weights = torch.softmax(scores, -1, dtype=wide).to(query.dtype)[..., : key.shape[2]]
    return nn.functional.dropout(weights, dropout) @ value


def _varlen_can(query: Tensor, value: Tensor, mask: TreeMask, dropout: float) -> bool:
    """Returns whether PyTorch's varlen kernel computes this attention."""
    return (
        query.is_cuda
        and query.dtype in (torch.float16, torch.bfloat16)
        and max(query.shape[-1], value.shape[-1]) <= _VARLEN_WIDEST
        and mask.window != 0
        and dropout == 0.0
    )


def _varlen(mask: TreeMask, query: Tensor, key: Tensor, value: Tensor, scaling: float) -> Tensor:
    """Returns (1, T, H, D) from one kernel over all views, whose keys are gathered already."""
    from torch.nn.attention.varlen import varlen_attn

    width = value.shape[-1]
    value = pad(value, (0, query.shape[-1] - width))  # multi-head latent attention: narrower values
    groups = query.shape[1] // key.shape[1]
    options: Any = {}
    if groups > 1 and "enable_gqa" in inspect.signature(varlen_attn).parameters:
        options["enable_gqa"] = True
    elif groups > 1:  # PyTorch 2.11
        key, value = (tensor.repeat_interleave(groups, 1) for tensor in (key, value))
    query, key, value = (t[0].transpose(0, 1).contiguous() for t in (query, key, value))
    _, query_starts, key_starts = mask.views
    back = -1 if mask.window is None else mask.window - 1
    output = varlen_attn(
        query, key, value, query_starts, key_starts, *mask.longest,
        scale=scaling, window_size=(back, 0), **options,
    )  # fmt: skip
    return output[None, ..., :width]  # type: ignore[call-overload]
