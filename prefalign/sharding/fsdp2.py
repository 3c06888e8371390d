"""FSDP2: a model is divided as soon as it is loaded, by the function that transformers would have called.

`accelerate launch --use_fsdp --fsdp_version 2 ...` asks for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from accelerate import Accelerator
from accelerate.utils import fsdp2_prepare_model, gather_object
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy
from torch.distributed.tensor import DTensor

from prefalign.engine.logps import base_of
from prefdata.errors import PrefError

if TYPE_CHECKING:
    from transformers import TrainingArguments


def shard(model: Any, arguments: TrainingArguments) -> Any:
    """Returns `model`, divided among the processes; all of them call this together.

    Args:
        model: on the CPU, adapters included. With `fsdp_cpu_ram_efficient_loading` only the first
            process needs to have its weights.
        arguments: of the trainer that will train it.

    Raises:
        PrefError: accelerate does not divide models here, or weights are too few for all processes.
    """
    accelerator = Accelerator(mixed_precision=arguments.mixed_precision)
    if not accelerator.is_fsdp2:
        raise PrefError(
            f"FSDP was asked for, and accelerate replicates models on {arguments.world_size} x "
            f"{arguments.device.type}",
            hint="launch without --use_fsdp, or on several GPUs",
        )
    if arguments.mixed_precision == "bf16":
        # accelerate's own would round log-probs of whole completions, and sum gradients, in bf16
        accelerator.state.fsdp_plugin.mixed_precision_policy = MixedPrecisionPolicy(
            param_dtype=torch.bfloat16, reduce_dtype=torch.float32
        )
    # the answer is read off the class's file, and a divided model has a class of PyTorch's making
    base_of(model)._can_set_attn_implementation()
    sharded = fsdp2_prepare_model(accelerator, model)
    _refuse_empty_shards(sharded)
    with torch.no_grad():
        # FSDP settles in its first forward pass which weights are trained: adapters do not rest in it
        sharded(
            input_ids=torch.ones(1, 1, dtype=torch.long, device=arguments.device), use_cache=False
        )
    return sharded


def _refuse_empty_shards(model: Any) -> None:
    """Refuses what accelerate would mix up: it knows an optimiser's weights by where they are stored."""
    empty = [
        name
        for name, weight in model.named_parameters()
        if weight.requires_grad and isinstance(weight, DTensor) and not weight.to_local().numel()
    ]
    names = sorted(set(gather_object(empty)))
    if names:
        shape = tuple(model.get_parameter(names[0]).shape)
        raise PrefError(
            f"{names[0]} {shape} has no row for some of the processes it is to be divided among",
            hint="raise model.lora.r to a multiple of the processes, or launch without --use_fsdp",
        )


def reshard(model: Any) -> None:
    """Lets every process forget what the last forward pass gathered of a divided model."""
    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.reshard()
