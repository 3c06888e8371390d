"""DeepSpeed's ZeRO: what it may be told, and weights that its third stage has divided.

transformers has ZeRO-3 divide a model while it reads it, and DeepSpeed's engine gathers weights for the
passes of its training. What runs a model before that gathers them by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from torch import nn

from prefalign.engine.logps import base_of
from prefalign.models.weights import gathered, is_divided
from prefdata.errors import ConfigError

if TYPE_CHECKING:
    from transformers import TrainingArguments

_HOOKS = "gathers_in_turn"  # attribute of a model


def refuse_settings(config: dict[str, Any], arguments: TrainingArguments) -> None:
    """Refuses settings of DeepSpeed's that would take the place of the run file's.

    Args:
        config: DeepSpeed's own.
        arguments: of the trainer.

    Raises:
        ConfigError: there are some; all of them are named.
    """
    allowed = {
        "gradient_clipping": (arguments.max_grad_norm, "optim.max_grad_norm says it"),
        "gradient_accumulation_steps": (1, "a step is a whole global batch, batch.micro_batch_size says how"),
    }  # fmt: skip
    problems = [
        f"{key}: {config[key]}; {reason}"
        for key, (value, reason) in allowed.items()
        if config.get(key, "auto") not in ("auto", value)
    ]
    problems += [f"{key}: optim says it" for key in ("optimizer", "scheduler") if key in config]
    if str(config.get("fp16", {}).get("enabled")).lower() == "true":
        problems.append("fp16: hardware.precision says it, and may be fp32 or bf16")
    if problems:
        raise ConfigError(
            problems, source="DeepSpeed's config", hint="leave out these settings, or set them to auto"
        )  # fmt: skip


def sum_in_fp32(config: dict[str, Any]) -> None:
    """Has DeepSpeed sum gradients of micro-batches and of processes in fp32, unless `config` says otherwise.

    In bf16 the sum of a global batch would lose what its last parts add.
    """
    config.setdefault("data_types", {"grad_accum_dtype": "fp32"})
    config.setdefault("communication_data_type", "fp32")


def round_to_bf16(model: nn.Module) -> None:
    """Rounds the weights as DeepSpeed's engine will, whose optimiser keeps fp32 ones of its own.

    ZeRO-3 has rounded those that it has divided.
    """
    for weight in model.parameters():
        if not is_divided(weight):
            weight.data = weight.data.bfloat16()


@contextmanager
def buffers_kept(model: nn.Module) -> Iterator[None]:
    """Keeps DeepSpeed's engine from rounding what weights come with, too.

    The frequencies of rotary positions are such: three digits of them are too few for long sequences.
    """
    kept = [
        (module, name, module._buffers[name])
        for module in model.modules()
        for name in module._non_persistent_buffers_set
    ]
    yield
    for module, name, buffer in kept:
        module._buffers[name] = buffer


def gather_in_turn(model: Any) -> Any:
    """Returns `model`, which now gathers a layer at a time for a forward pass without gradients."""
    if any(is_divided(weight) for weight in model.parameters()):
        handles: list[Any] = []
        for module, weights in _units(model):
            handles += _gathers(module, weights)
        setattr(model, _HOOKS, handles)
    return model


def stop_gathering(model: Any) -> None:
    """Leaves it to DeepSpeed's engine to gather the weights of a model."""
    for handle in model.__dict__.pop(_HOOKS, ()):
        handle.remove()


def _units(model: Any) -> Iterator[tuple[nn.Module, list[Any]]]:
    """Yields what is gathered at a time: layers, and modules outside of them that have weights."""
    layers = set(base_of(model)._no_split_modules or ())
    inside: set[nn.Module] = set()
    for module in model.modules():
        if module in inside:
            continue
        is_layer = type(module).__name__ in layers
        if is_layer:
            inside.update(module.modules())
        weights = list(module.parameters(recurse=is_layer))
        if weights:
            yield module, weights


def _gathers(module: nn.Module, weights: list[Any]) -> list[Any]:
    """Lets a module have its weights whole while it runs; returns the handles of the hooks."""
    passes: list[Any] = []

    def enter(*_: Any) -> None:
        passes.append(gathered(weights))
        passes[-1].__enter__()

    def leave(*_: Any) -> None:
        passes.pop().__exit__(None, None, None)

    return [
        module.register_forward_pre_hook(enter),
        module.register_forward_hook(leave, always_call=True),
    ]


def whole_weights(model: Any, *, wanted: bool) -> dict[str, Any]:
    """Returns the weights that a model is saved with, by name, on the CPU; all processes call it.

    Of adapters and the model they are in, only what is trained.

    Args:
        model: inside DeepSpeed's engine.
        wanted: in this process; the result is empty in the others.
    """
    frozen_stay = base_of(model) is not model
    found = {}
    for name, weight in model.state_dict(keep_vars=True).items():
        if frozen_stay and not weight.requires_grad:
            continue
        with gathered([weight]):
            if wanted:
                found[name] = weight.detach().cpu().clone()
    return found
