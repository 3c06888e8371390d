"""Decoder layers compiled by PyTorch, where their log-probs stay what they were.

Norms, rotary embeddings, activations and residuals of a layer become few kernels. One layer's graphs serve all
layers and rows of every length: sizes are symbols. Attention stays outside, with a graph on either side
of it: its kernel is fused with nothing anyway, and as an operator of our own it would have to compute
everything twice, because an operator's backward pass cannot use the graph of its forward pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from prefalign.engine.logps import base_of
from prefalign.engine.self_test import TOLERANCE, Trial, attempt, together, worst_rms
from prefalign.engine.tree import Ints
from prefalign.models.loading import Precision, autocast
from prefdata.errors import InputError

if TYPE_CHECKING:
    from prefalign.data.dataset import PairDataset


def compile_layers(
    model: Any, data: PairDataset, places: Ints, *, device: torch.device, precision: Precision
) -> Trial:
    """Compiles the layers of `model`, and tries them on pairs; takes it back where they differ.

    Args:
        model: that went through `prefalign.engine.self_test.choose_layout`.
        data: the pairs, in the layout that was chosen.
        places: some of them.
        device: where the model is.
        precision: of the forward passes.

    Raises:
        InputError: the model does not say which its layers are.
    """
    layers = list(decoder_layers(base_of(model)))
    if not layers:
        raise InputError(
            f"{type(base_of(model)).__name__} does not say which its layers are",
            hint="set hardware.compile to false",
        )
    training = model.training
    model.eval()

    def difference() -> float:
        found = together(model, data, places, data.layout, device)
        return worst_rms(found, plain)

    try:
        with torch.no_grad(), autocast(device, precision):
            plain = together(model, data, places, data.layout, device)
            for layer in layers:
                layer.compile(dynamic=True)
            trial = attempt(data.layout, difference, TOLERANCE[precision])
    finally:
        model.train(training)
    if trial.reason:
        for layer in layers:
            layer._compiled_call_impl = None
    return trial


def decoder_layers(model: Any) -> Iterator[nn.Module]:
    """Yields the layers that transformers keeps in one piece; FSDP gives them classes of its own."""
    names = set(model._no_split_modules or ())
    for module in model.modules():
        if names & {kind.__name__ for kind in type(module).__mro__}:
            yield module
