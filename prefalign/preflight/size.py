"""The sizes of a model from its files alone, near enough to say early that a run will not fit."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from prefalign.config import Lora
from prefalign.plan.shape import Shape
from prefalign.preflight.model import ModelFiles
from prefalign.preflight.problem import Problem
from prefdata.registry import did_you_mean

_EMBEDDINGS = ("embed", "wte", "wpe", "lm_head", "embed_out")


def rough_shape(files: ModelFiles, lora: Lora | None) -> Shape | None:
    """Returns the sizes of a model; None where its configuration does not tell them.

    `prefalign.plan.shape.read_shape` counts them on the model itself, for which torch has to be loaded.
    """
    text = files.config.get("text_config") or files.config
    layers, hidden, heads = (
        text.get(key) for key in ("num_hidden_layers", "hidden_size", "num_attention_heads")
    )
    if not (layers and hidden and heads and text.get("vocab_size") and files.weights):
        return None
    head_width = text.get("head_dim") or hidden // heads
    matrices = list(_matrices(files))
    adapted = [shape for name, shape in matrices if lora and _is_target(name, lora)]
    adapters = sum(lora.r * sum(shape) for shape in adapted) if lora else 0
    return Shape(
        architecture=(files.config.get("architectures") or ["model"])[0],
        parameters=files.parameters,
        trainable=adapters if lora else files.parameters,
        body=sum(prod(shape) for _, shape in matrices),
        adapters=adapters,
        adapter_ranks=lora.r * len(adapted) // layers if lora else 0,
        layers=layers,
        hidden=hidden,
        vocabulary=text["vocab_size"],
        queries=heads * head_width,
        keys=(text.get("num_key_value_heads") or heads) * head_width,
        head_width=head_width,
        inner=text.get("intermediate_size") or 4 * hidden,
        norms=2 * hidden,
        head_is_trained=lora is None,
        tied=bool(text.get("tie_word_embeddings", True)),
    )


def _matrices(files: ModelFiles) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yields the weights that tokens are multiplied with between the embeddings and the head."""
    for name, shape in files.weights.items():
        if len(shape) > 1 and not any(part in name for part in _EMBEDDINGS):
            yield name, shape


def _is_target(name: str, lora: Lora) -> bool:
    targets = lora.target_modules
    if targets == "all-linear":
        return True
    named = [targets] if isinstance(targets, str) else targets
    return any(is_module(name, target) for target in named)


def is_module(name: str, target: str) -> bool:
    """Returns whether a weight belongs to a module that PEFT finds by `target`: the end of its name."""
    return f".{name.removesuffix('.weight')}".endswith(f".{target}")


def lora_problems(files: ModelFiles, lora: Lora) -> Iterator[Problem]:
    """Yields the targets of adapters that no matrix of the model is called by."""
    targets = lora.target_modules
    if isinstance(targets, str) or not files.weights:
        return  # all-linear, or a regular expression
    names = [name for name, _ in _matrices(files)]
    known = sorted({name.removesuffix(".weight").rpartition(".")[2] for name in names})
    for target in targets:
        if not any(is_module(name, target) for name in files.weights):
            yield Problem(
                "model.lora.target_modules",
                f"the model has no module {target!r}",
                hint=did_you_mean(target, known) or f"it has {', '.join(known)}",
            )
