"""The sizes of a model, from its configuration alone: no weight is read, none is allocated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prefalign import config
from prefalign.models.adapters import base_under

if TYPE_CHECKING:
    from prefalign.engine.tree import Layout


@dataclass(frozen=True)
class Shape:
    """What the cost of a model depends on.

    Attributes:
        architecture: its class in transformers.
        parameters: of the model without adapters.
        trainable: parameters that get gradients: all of them, or the adapters'.
        body: parameters that a token is multiplied with before the head; of experts, the active ones.
        adapters: parameters of adapters.
        adapter_ranks: sum of the ranks of a layer's adapters.
        layers, hidden, vocabulary: as everybody calls them.
        queries, keys: width of a layer's queries, and of its keys (all heads).
        head_width: of one head.
        inner: width of the feed-forward block; with experts, of the active ones together.
        norms: summed width of what a layer normalises.
        head_is_trained: the output embeddings get gradients.
        tied: they are the input embeddings.
    """

    architecture: str
    parameters: int
    trainable: int
    body: int
    adapters: int
    adapter_ranks: int
    layers: int
    hidden: int
    vocabulary: int
    queries: int
    keys: int
    head_width: int
    inner: int
    norms: int
    head_is_trained: bool
    tied: bool


def read_shape(model: config.Model) -> tuple[Shape, Layout]:
    """Returns the sizes of a run's model, and how pairs share its forward passes.

    The layout is the one that its code allows; a run tries it on real weights before it relies on it.

    Raises:
        InputError: there is no such model, or it is no causal language model.
    """
    from prefalign.models.loading import adapter_settings

    skeleton = _skeleton(model)
    sizes = _sizes(skeleton)
    layout = _layout(skeleton)
    settings = adapter_settings(model)
    if settings is None:
        full = {"trainable": sizes["parameters"], "adapters": 0, "adapter_ranks": 0}
        return Shape(**sizes, **full, head_is_trained=True), layout
    return Shape(**sizes, **_adapters(skeleton, settings, sizes["layers"])), layout


def _layout(skeleton: Any) -> Layout:
    from prefalign.engine.attention import Unsupported, attend_plainly, attend_to_trees

    try:
        attend_to_trees(skeleton)
    except Unsupported:
        return "padded"
    attend_plainly(skeleton)
    return "shared"


def _adapters(skeleton: Any, settings: Any, layers: int) -> dict[str, Any]:
    """Returns what adapters add to the sizes, counted on the adapted skeleton."""
    from peft import get_peft_model

    adapted = get_peft_model(skeleton, settings)
    weights = [
        (name, weight) for name, weight in adapted.named_parameters() if weight.requires_grad
    ]
    trainable = sum(weight.numel() for _, weight in weights)
    ranks = sum(weight.shape[0] for name, weight in weights if "lora_A" in name)
    head = any("lm_head" in name for name, _ in weights)
    return {
        "trainable": trainable,
        "adapters": trainable,
        "adapter_ranks": ranks // layers,
        "head_is_trained": head,
    }


def _skeleton(model: config.Model) -> Any:
    """Returns the model on the meta device, where tensors have shapes and no values."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    from prefalign.models.loading import locate, unloadable

    source, options = locate(base_under(model.name) or model.name)
    options.pop("quantization_config", None)
    trusted = {"trust_remote_code": model.trust_remote_code}
    try:
        settings = AutoConfig.from_pretrained(source, **trusted, **options)
        with torch.device("meta"):
            return AutoModelForCausalLM.from_config(settings, dtype=torch.float32, **trusted)
    except (OSError, ValueError) as error:
        raise unloadable(model.name, error) from error


def _sizes(skeleton: Any) -> dict[str, Any]:
    text = skeleton.config.get_text_config()
    heads = text.num_attention_heads
    head_width = getattr(text, "head_dim", None) or text.hidden_size // heads
    grouped = getattr(text, "num_key_value_heads", None) or heads
    queries, keys = heads * head_width, grouped * head_width
    head = skeleton.get_output_embeddings().weight
    return {
        "architecture": type(skeleton).__name__,
        "parameters": sum(weight.numel() for weight in skeleton.parameters()),
        "body": sum(_multiplied(skeleton, text)),
        "layers": text.num_hidden_layers,
        "hidden": text.hidden_size,
        "vocabulary": head.shape[0],
        "queries": queries,
        "keys": keys,
        "head_width": head_width,
        "inner": _inner(text),
        "norms": _norms(skeleton, text.hidden_size, queries, keys),
        "tied": skeleton.get_input_embeddings().weight is head,
    }


def _multiplied(skeleton: Any, text: Any) -> list[int]:
    """Returns the parameters a token meets in each matrix between the embeddings and the head."""
    embeddings = {
        id(skeleton.get_input_embeddings().weight),
        id(skeleton.get_output_embeddings().weight),
    }
    return [
        int(weight.numel() * (_active_share(text) if weight.ndim > 2 else 1))  # stacked experts
        for weight in skeleton.parameters()
        if weight.ndim > 1 and id(weight) not in embeddings
    ]


def _active_share(text: Any) -> float:
    """Returns the share of the experts that a token meets; 1 where there are none."""
    experts = getattr(text, "num_experts", None) or getattr(text, "num_local_experts", None)
    active = getattr(text, "num_experts_per_tok", None)
    return active / experts if experts and active else 1.0


def _inner(text: Any) -> int:
    narrow = getattr(text, "moe_intermediate_size", None)
    active = getattr(text, "num_experts_per_tok", None) or 1
    inner = getattr(text, "intermediate_size", None) or 4 * text.hidden_size
    return int(narrow * active if narrow else inner * active)


def _norms(skeleton: Any, hidden: int, queries: int, keys: int) -> int:
    """Returns the summed width of the norms of the first layer; norms of heads see all heads."""
    width = 0
    for name, weight in skeleton.named_parameters():
        if ".layers.0." in name and "norm" in name and name.endswith("weight"):
            by_head = keys if "k_" in name.rpartition(".layers.0.")[2] else queries
            width += hidden if weight.numel() == hidden else by_head
    return width or 2 * hidden
