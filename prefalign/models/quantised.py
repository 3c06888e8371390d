"""Frozen weights in 4 bits under adapters that are trained (QLoRA, arXiv:2305.14314), by bitsandbytes.

All matrices but those of the embeddings and the head become NF4 numbers in blocks of 64, whose scales are
quantised in turn; they are multiplied in the precision of the run.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from prefalign import config
from prefalign.models.adapters import trains_adapters
from prefdata.errors import InputError, MissingExtra

if TYPE_CHECKING:
    import torch

BYTES = 0.5 + 1 / 64 + 4 / (64 * 256)
"""Of a weight: 4 bits, an 8-bit scale for each block, and a 32-bit one for 256 of those."""


def loading_options(
    model: config.Model, dtype: torch.dtype, device: torch.device
) -> dict[str, Any]:
    """Returns the options with which transformers loads 4-bit weights, straight to `device`.

    Args:
        model: with `quantization`.
        dtype: in which they are multiplied.
        device: where they go.

    Raises:
        InputError: they would be trained themselves, which 4 bits are too few for.
        MissingExtra: bitsandbytes is not installed.
    """
    if not trains_adapters(model):
        raise InputError(
            f"model.quantization: {model.quantization} weights cannot be trained, only adapters on them",
            hint="set model.lora, e.g. to {r: 16}, or remove model.quantization",
        )
    if find_spec("bitsandbytes") is None:
        raise MissingExtra(f"model.quantization: {model.quantization}", "qlora")
    from transformers import BitsAndBytesConfig

    return {
        "device_map": {"": device},
        "quantization_config": BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type=model.quantization,
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=dtype,
        ),
    }


def multiply_alike(model: Any) -> None:
    """Has a model multiply 4-bit weights the same way with gradients and without.

    On a CPU with AVX-512 for bf16, bitsandbytes would repack weights at the first pass without gradients
    for a kernel that rounds more, and fail where rows are shorter than a block. A reference would then not
    be what training starts from.
    """
    from bitsandbytes.nn.modules import Linear4bit

    for layer in model.modules():
        if isinstance(layer, Linear4bit):
            layer.support_avx512bf16_for_cpu = False
