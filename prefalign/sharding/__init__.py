"""Models that are divided among processes: placed before anything runs them, saved whole.

transformers divides a model when its training begins. By then ours has been tested and has said what the
reference says, for which a model that no single device can hold must be in pieces already.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from prefalign.engine.logps import base_of
from prefalign.survival.checkpoints import read_manifest
from prefdata.errors import PrefError

if TYPE_CHECKING:
    from pathlib import Path

    from accelerate import Accelerator
    from transformers import TrainingArguments

Division: TypeAlias = Literal["fsdp2", "zero2", "zero3"]
"""What divides a model: FSDP2, or a stage of DeepSpeed's ZeRO. The second leaves the weights whole."""

_DEEPSPEED = "ACCELERATE_USE_DEEPSPEED"
_FSDP = "ACCELERATE_USE_FSDP"
_UNKNOWN = {
    "ACCELERATE_USE_MEGATRON_LM": "Megatron-LM",
    "ACCELERATE_USE_PARALLELISM_CONFIG": "tensor and context parallelism",
}
_REMEDY = (
    "let each process hold the model, or divide it: accelerate launch --use_fsdp --fsdp_version 2"
)


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
    if _is_set(_FSDP) and version != "2":
        raise PrefError(
            f"FSDP {version} was asked for; FSDP2 replaces it",
            hint="accelerate launch --use_fsdp --fsdp_version 2, or fsdp_version: 2 in its config file",
        )
    for name, option in ((_FSDP, "--use_fsdp"), (_DEEPSPEED, "--use_deepspeed")):
        if _is_set(name) and engine == "trl":
            raise PrefError(
                f"engine trl has never been tested with {option}",
                hint=f"set engine: prefalign, or launch without {option}",
            )


def division(arguments: TrainingArguments) -> Division | None:
    """Returns what divides the model of a run, as its launcher was told; None where nothing does.

    Raises:
        PrefError: DeepSpeed is to do what our trainers never had it do.
    """
    if _is_set(_FSDP):
        return "fsdp2"
    plugin = arguments.deepspeed_plugin
    if plugin is None:
        return None
    from prefalign.sharding.zero import refuse_settings, sum_in_fp32

    refuse_settings(plugin.deepspeed_config, arguments)
    sum_in_fp32(plugin.deepspeed_config)
    stage: Division = f"zero{plugin.zero_stage}"  # type: ignore[assignment]
    if stage not in get_args(Division):
        raise PrefError(
            f"ZeRO of stage {plugin.zero_stage} was asked for; tested are 2 and 3",
            hint="accelerate launch --zero_stage 2, or zero_stage: 2 in its config file",
        )
    return stage


def rounded(model: Any, how: Division | None, arguments: TrainingArguments) -> Any:
    """Returns `model` with weights as they will be trained: DeepSpeed has all of them in bf16 in such a run.

    What a reference says is kept under its weights' hash, so they are rounded before that is taken.

    Args:
        model: on the CPU.
        how: it is divided.
        arguments: of the trainer that will train it.
    """
    if how in ("zero2", "zero3") and arguments.mixed_precision == "bf16":
        from prefalign.sharding.zero import round_to_bf16

        round_to_bf16(model)
    return model


def place(model: Any, how: Division | None, arguments: TrainingArguments) -> Any:
    """Returns `model` where it will run, whole or in pieces; all processes call this together.

    Args:
        model: on the CPU, adapters included; what ZeRO-3 divides is in pieces since it was read.
        how: it is divided.
        arguments: of the trainer that will train it.

    Raises:
        PrefError: accelerate does not divide models here, weights are in 4 bits, or are too few for all
            processes.
    """
    if how is None:
        return model.to(arguments.device)
    if getattr(base_of(model), "is_loaded_in_4bit", False):
        raise PrefError(
            "model.quantization: 4-bit weights are not divided among processes",
            hint="launch without --use_fsdp and --use_deepspeed: each process then holds all of them, a "
            "quarter of bf16's",
        )
    if how != "fsdp2":
        from prefalign.sharding.zero import gather_in_turn

        return gather_in_turn(rounded(model, how, arguments).to(arguments.device))
    from prefalign.sharding.fsdp2 import shard

    return shard(model, arguments)


def refuse_other_pieces(how: Division | None, checkpoint: Path, processes: int) -> None:
    """Refuses to go on from pieces of an optimiser that DeepSpeed would have to cut anew.

    Args:
        how: the model is divided.
        checkpoint: its directory.
        processes: of the run now.

    Raises:
        PrefError: DeepSpeed divides it, and another number of processes wrote the checkpoint.
    """
    wrote = read_manifest(checkpoint).processes
    if how in ("zero2", "zero3") and wrote != processes:
        raise PrefError(
            f"{checkpoint}: written by {wrote} processes, and DeepSpeed cannot go on from it with {processes}",
            hint=f"launch with --num_processes {wrote}; runs under DDP and FSDP2 go on with any number",
        )


def release(model: Any) -> None:
    """Ends what forward passes before training needed, in every process; its training begins now."""
    from prefalign.sharding import fsdp2, zero

    fsdp2.reshard(model)
    zero.stop_gathering(model)


def whole_weights(accelerator: Accelerator, model: Any) -> dict[str, Any]:
    """Returns the weights of a divided model by name, whole, in the first process.

    Of weights that are one, only that is there which a model is loaded from. All processes call it.
    """
    from prefalign.sharding import zero

    weights: dict[str, Any] = (
        accelerator.get_state_dict(model)
        if accelerator.is_fsdp2
        else zero.whole_weights(model, wanted=accelerator.is_main_process)
    )
    for tied in getattr(model, "all_tied_weights_keys", None) or ():
        weights.pop(tied, None)
    return weights


@contextmanager
def held_back(accelerator: Accelerator, model: Any) -> Iterator[None]:
    """Lets the gradients of a part of a global batch wait for those of the next part.

    Processes exchange none before the last part. accelerate has DeepSpeed take a step after each backward
    pass that it has not been told to be one of several.
    """
    state = accelerator.gradient_state
    state._set_sync_gradients(False)  # noqa: FBT003
    try:
        with accelerator.no_sync(model):
            yield
    finally:
        state._set_sync_gradients(True)  # noqa: FBT003


def _is_set(name: str) -> bool:
    return os.environ.get(name, "false").lower() in ("1", "true", "yes")
