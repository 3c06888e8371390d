"""A model's weights: their hash, their number, and all of them where ZeRO-3 has left each process a piece."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import xxhash
from torch import nn

_UNRELATED_TO_WEIGHTS = ("_name_or_path", "transformers_version", "dtype", "torch_dtype")
_UNRELATED_TO_ADAPTERS = (
    "auto_mapping", "base_model_name_or_path", "inference_mode", "peft_version", "revision",
)  # fmt: skip
_MARKS_OF_ADAPTERS = (".lora_", ".modules_to_save.")
_WRAPPED = re.compile(r"\.(base_layer|original_module)(?=\.)")  # as PEFT calls what it replaces


def weights_digest(model: Any, *, adapters: bool = True) -> str:
    """Returns a hash of every parameter's bytes and of the architecture's settings, 32 hex digits.

    Args:
        model: a model of transformers, or a PEFT model around one.
        adapters: its adapters and their settings count, too; without them the hash is that of the model
            they are in. All processes call this where ZeRO-3 has divided the model.
    """
    settings = model.config.to_dict()
    for name in _UNRELATED_TO_WEIGHTS:
        settings.pop(name, None)
    digest = xxhash.xxh3_128(json.dumps(settings, sort_keys=True, default=str).encode())
    for name, weight in _named_weights(model, adapters=adapters):
        with gathered([weight]):
            digest.update(f"{name} {weight.dtype} {tuple(weight.shape)}".encode())
            digest.update(weight.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    for settings in _adapter_settings(model) if adapters else ():
        digest.update(json.dumps(settings, sort_keys=True, default=str).encode())
    return digest.hexdigest()


def _named_weights(model: Any, *, adapters: bool) -> Iterator[tuple[str, Any]]:
    """Yields weights under the names that they have in the model without adapters."""
    for name, weight in model.state_dict(keep_vars=True).items():
        is_adapter = any(mark in name for mark in _MARKS_OF_ADAPTERS)
        if adapters or not is_adapter:
            plain = name.removeprefix("base_model.model.")
            yield _WRAPPED.sub("", plain), weight


def _adapter_settings(model: Any) -> Iterator[dict[str, Any]]:
    """Yields what adapters compute with besides their weights."""
    for settings in getattr(model, "peft_config", {}).values():
        values = settings.to_dict()
        yield {
            name: sorted(value) if isinstance(value, set) else value
            for name, value in values.items()
            if name not in _UNRELATED_TO_ADAPTERS
        }


def is_divided(weight: Any) -> bool:
    """Returns whether ZeRO-3 holds a piece of a weight in each process."""
    return hasattr(weight, "ds_id")


def size_of(weight: Any) -> int:
    """Returns how many numbers a weight has in all processes together."""
    return int(weight.ds_numel if is_divided(weight) else weight.numel())


def trained_size(model: nn.Module) -> int:
    """Returns how many numbers of a model are trained."""
    return sum(size_of(weight) for weight in model.parameters() if weight.requires_grad)


@contextmanager
def gathered(weights: Iterable[Any]) -> Iterator[None]:
    """Has weights whole in every process for as long as it lasts; all processes enter it together."""
    divided = [weight for weight in weights if is_divided(weight)]
    if not divided:
        yield
        return
    import deepspeed

    with deepspeed.zero.GatheredParameters(divided):
        yield
