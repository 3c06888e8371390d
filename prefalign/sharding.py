"""Models that are divided among processes by FSDP2: prepared before anything runs them, saved whole.

`accelerate launch --use_fsdp --fsdp_version 2 ...` asks for it. transformers divides a model when its
training begins; by then ours has been tested and has said what the reference says, for which a model
that no single device can hold must be in pieces already. So it is divided as soon as it is loaded, by
the function that transformers would have called.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
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

_UNKNOWN = {
    # accelerate.utils.DeepSpeedEngineWrapper.backward takes an optimiser step whenever gradients are not
    # held back, and `Accelerator.no_sync` holds none back from ZeRO-2 on: each micro-batch would be a step
    "ACCELERATE_USE_MEGATRON_LM": "Megatron-LM",
    "ACCELERATE_USE_PARALLELISM_CONFIG": "tensor and context parallelism",
}
_REMEDY = (
    "let each process hold the model, or divide it: accelerate launch --use_fsdp --fsdp_version 2"
)


def is_sharded() -> bool:
    """Returns whether the launcher was asked to divide the model."""
    return _is_set("ACCELERATE_USE_FSDP")


def refuse_untested(engine: str) -> None:
    """Refuses ways to divide work that nobody has tried with our trainers.

    Args:
        engine: of the run.

    Raises:
        PrefError: the launcher was asked for one of them.
    """
    for name, what in _UNKNOWN.items():
        if _is_set(name):
            raise PrefError(f"{name}: training with {what} has never been tested", hint=_REMEDY)
    version = os.environ.get("FSDP_VERSION", "1")
    if is_sharded() and version != "2":
        raise PrefError(
            f"FSDP {version} was asked for; FSDP2 replaces it",
            hint="accelerate launch --use_fsdp --fsdp_version 2, or fsdp_version: 2 in its config file",
        )
    if is_sharded() and engine == "trl":
        raise PrefError(
            "engine trl has never been tested with FSDP",
            hint="set engine: prefalign, or launch without --use_fsdp",
        )


def shard(model: Any, arguments: TrainingArguments) -> Any:
    """Returns `model`, divided among the processes; all of them call this together.

    Args:
        model: on the CPU, adapters included. With `fsdp_cpu_ram_efficient_loading` only the first
            process needs to have its weights.
        arguments: of the trainer that will train it.

    Raises:
        PrefError: accelerate does not divide models here, weights are in 4 bits, or are too few for all
            processes.
    """
    if getattr(base_of(model), "is_loaded_in_4bit", False):
        raise PrefError(
            "model.quantization: 4-bit weights are not divided among processes",
            hint="launch without --use_fsdp: each process then holds all of them, a quarter of bf16's",
        )
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


def whole_weights(accelerator: Accelerator, model: Any) -> dict[str, Any]:
    """Returns the weights of a divided model by name, whole, in the first process; none in the others.

    Of weights that are one, only that is there which a model is loaded from.
    """
    weights: dict[str, Any] = accelerator.get_state_dict(model)
    for tied in getattr(model, "all_tied_weights_keys", None) or ():
        weights.pop(tied, None)
    return weights


def release(model: Any) -> None:
    """Lets every process forget what the last forward pass gathered of a divided model."""
    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.reshard()


@contextmanager
def held_back(accelerator: Accelerator, model: Any) -> Iterator[None]:
    """Lets gradients of a part of a global batch wait for those of the next part.

    Until its last part processes exchange none, and DeepSpeed, of which accelerate demands a step after
    each backward pass that is not said to be one of several, takes none.
    """
    state = accelerator.gradient_state
    state._set_sync_gradients(False)
    try:
        with accelerator.no_sync(model):
            yield
    finally:
        state._set_sync_gradients(True)


def _is_set(name: str) -> bool:
    return os.environ.get(name, "false").lower() in ("1", "true", "yes")
