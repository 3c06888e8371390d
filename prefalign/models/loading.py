"""Models: loaded from a directory, a GGUF file or the hub, with adapters, in the wanted precision."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import torch

from prefalign import config
from prefalign.models.adapters import ADAPTER_FILE, base_under, refuse_two_adapters, trains_adapters
from prefalign.models.quantised import loading_options, multiply_alike
from prefdata.errors import InputError
from prefdata.tokens.load import CODE_OF_ITS_OWN

if TYPE_CHECKING:
    from peft import LoraConfig, PeftModel
    from transformers import PreTrainedModel

Precision: TypeAlias = Literal["fp32", "bf16"]

SHORT = 192  # tokens: where `choose_attention` draws the line


def best_device(wanted: Literal["auto", "cpu"] = "auto") -> torch.device:
    """Returns this process's accelerator, or the CPU."""
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    return torch.device("cpu") if wanted == "cpu" or accelerator is None else accelerator


def device_name(device: torch.device) -> str:
    """Returns the name of a GPU's model, or the kind of any other device."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def resolve_precision(wanted: Literal["auto", "fp32", "bf16"], device: torch.device) -> Precision:
    """Returns bf16 where `device` multiplies bf16 matrices in hardware, unless told otherwise."""
    if wanted != "auto":
        return wanted
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    fast = device.type == "cpu" and (_cpu_has("avx512_bf16") or _cpu_has("amx_bf16"))
    return "bf16" if fast else "fp32"


def _cpu_has(feature: str) -> bool:
    return bool(torch.cpu.get_capabilities().get(feature, False))


def autocast(device: torch.device, precision: Precision) -> contextlib.AbstractContextManager[Any]:
    """Returns the context in which a model of this precision runs."""
    if precision == "fp32":
        return contextlib.nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)


def load_model(
    model: config.Model, precision: Precision, device: torch.device | None = None
) -> Any:
    """Returns the untouched model on the CPU; a PEFT model where `model.name` is that of adapters.

    Trained weights are fp32 masters. Weights that stay frozen under adapters are stored in the
    precision they are multiplied in; in 4 bits they are on `device`, the best one if it is None.

    Raises:
        InputError: there is no such model, or it is no causal language model.
    """
    refuse_two_adapters(model)
    whole = load_base(model, precision, device)
    if base_under(model.name) is None:
        return whole
    return _with_adapters(whole, model.name, precision)


def load_base(
    model: config.Model, precision: Precision, device: torch.device | None = None
) -> PreTrainedModel:
    """Returns the model without any adapters, see `load_model`."""
    from transformers import AutoModelForCausalLM

    frozen = trains_adapters(model)
    dtype = torch.bfloat16 if frozen and precision == "bf16" else torch.float32
    source, options = locate(base_under(model.name) or model.name)
    if model.quantization:
        if options:
            raise InputError(
                f"{model.name}: a GGUF file, whose weights are not quantised once more",
                hint="remove model.quantization, or give the model that the file was made from",
            )
        options = loading_options(model, dtype, device or best_device())
    try:
        loaded: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
            source, dtype=dtype, trust_remote_code=model.trust_remote_code, **options
        )
    except (OSError, ValueError) as error:
        raise unloadable(model.name, error) from error
    if model.quantization:
        multiply_alike(loaded)
    return loaded


def unloadable(name: str, error: Exception) -> InputError:
    """Returns what is said of a model that transformers cannot load."""
    reason = str(error).strip().partition("\n")[0]
    usual = "model.name is a directory with weights, a .gguf file, or a model on the hub"
    return InputError(
        f"cannot load the model {name}: {reason}",
        hint=CODE_OF_ITS_OWN if "custom code" in reason else usual,
    )


def locate(name: str) -> tuple[str, dict[str, Any]]:
    """Returns what transformers should load, and with which options."""
    path = Path(name).expanduser()
    if path.is_dir() and not (path / "config.json").exists():
        files = sorted(path.glob("*.gguf"))
        if len(files) != 1:
            raise InputError(
                f"{name}: holds {len(files)} .gguf files and no config.json",
                hint="model.name is a directory with weights, or one .gguf file",
            )
        path = files[0]
    if path.suffix != ".gguf" or not path.is_file():
        return str(path) if path.exists() else name, {}
    from transformers import GgufConfig

    return str(path.parent), {
        "gguf_file": path.name,
        "quantization_config": GgufConfig(dequantize=True),
    }


def choose_attention(model: PreTrainedModel, longest: int) -> None:
    """Takes plain attention for short pairs on CPUs, where it beats the blocked kernel.

    Measured on a 135M model in bf16: a third faster at 96 tokens, equal at 256.

    Args:
        model: on the device where it will run.
        longest: tokens of the longest prompt + completion.
    """
    if model.device.type == "cpu" and longest < SHORT:
        model.set_attn_implementation("eager")


def add_lora(model: PreTrainedModel, lora: config.Lora, precision: Precision) -> PeftModel:
    """Returns `model` with fresh adapters, which leave its outputs as they were; they stay fp32."""
    from peft import get_peft_model

    return _cast_once(get_peft_model(model, lora_config(lora)), precision)


def _with_adapters(model: PreTrainedModel, name: str, precision: Precision) -> PeftModel:
    """Returns `model` with the adapters called `name`, in fp32 and ready to be trained further.

    Raises:
        InputError: they cannot be loaded, or are those of another model.
    """
    from peft import PeftModel

    try:
        policy = PeftModel.from_pretrained(model, name, is_trainable=True)
    except (OSError, ValueError, RuntimeError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise InputError(
            f"cannot load the adapters {name}: {reason}",
            hint=f"they belong to {base_under(name)}, by their {ADAPTER_FILE}",
        ) from error
    for weight in policy.parameters():
        if weight.requires_grad:
            weight.data = weight.data.float()
    return _cast_once(policy, precision)


def _cast_once(policy: PeftModel, precision: Precision) -> PeftModel:
    """Keeps PEFT from casting inputs to fp32 under autocast, only for autocast to cast them back."""
    for module in policy.modules():
        if hasattr(module, "cast_input_dtype_enabled"):
            module.cast_input_dtype_enabled = precision == "fp32"
    return policy


def adapter_settings(model: config.Model) -> LoraConfig | None:
    """Returns the settings, in PEFT's words, of the adapters that a run trains; None for all weights.

    Raises:
        InputError: see `prefalign.models.adapters`.
    """
    from peft import PeftConfig

    refuse_two_adapters(model)
    if base_under(model.name) is None:
        return None if model.lora is None else lora_config(model.lora)
    settings = PeftConfig.from_pretrained(model.name)
    settings.inference_mode = False
    return settings


def lora_config(lora: config.Lora) -> LoraConfig:
    """Returns the adapters' settings in PEFT's words."""
    from peft import LoraConfig

    return LoraConfig(
        r=lora.r,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        use_dora=lora.dora,
        target_modules=lora.target_modules,
        task_type="CAUSAL_LM",
    )


def load_trained(directory: Path, base: config.Model, precision: Precision) -> Any:
    """Returns the model that a run left in `directory` (`RUN/model`), on the CPU.

    Args:
        directory: full weights, or an adapter for `base`.
        base: the run's model block.
        precision: the run's precision.
    """
    if (directory / ADAPTER_FILE).exists():
        return _with_adapters(load_base(base, precision), str(directory), precision)
    full = config.Model(name=str(directory), trust_remote_code=base.trust_remote_code)
    return load_model(full, precision)
