"""Adapters that exist already, under the name of a model: training goes on with them.

The reference is the model as it starts, so adapters are part of it; what comes out is one adapter for the
same base model. PEFT calls the directory they are kept in by its `adapter_config.json`.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from prefalign import config
from prefdata.errors import InputError

ADAPTER_FILE = "adapter_config.json"


def base_under(name: str) -> str | None:
    """Returns the model that the adapters called `name` belong to; None where that is a whole model.

    Args:
        name: a directory, a GGUF file or a hub name.

    Raises:
        InputError: the adapters are of a kind that is not trained here, or do not name their model.
    """
    file = _adapter_file(name)
    if file is None:
        return None
    settings = json.loads(file.read_text(encoding="utf-8"))
    if settings.get("peft_type") != "LORA":
        raise InputError(
            f"{name}: its adapters are {settings.get('peft_type')}, and only LoRA's can be trained further",
            hint="give the model that they belong to, or one that they were merged into",
        )
    base = settings.get("base_model_name_or_path")
    if not base:
        raise InputError(
            f"{name}: {ADAPTER_FILE} does not say which model the adapters belong to",
            hint="write the model's directory or hub name there: base_model_name_or_path",
        )
    return str(base)


def _adapter_file(name: str) -> Path | None:
    path = Path(name).expanduser()
    if not path.exists():
        return _on_hub(name)
    file = path / ADAPTER_FILE
    return file if file.is_file() else None


@cache
def _on_hub(name: str) -> Path | None:
    from transformers.utils import find_adapter_config_file

    try:
        found = find_adapter_config_file(name)
    except OSError:  # no name of the hub's
        return None
    return Path(found) if found else None


def trains_adapters(model: config.Model) -> bool:
    """Returns whether a run trains adapters, new ones or those that `model.name` names."""
    return model.lora is not None or base_under(model.name) is not None


def refuse_two_adapters(model: config.Model) -> None:
    """Refuses new adapters for what are adapters already.

    Raises:
        InputError: with what to do instead.
    """
    if model.lora is not None and base_under(model.name) is not None:
        raise InputError(
            f"{model.name} holds adapters, which are trained further with the rank they have",
            hint="remove model.lora; or for new ones on top, "
            f"prefalign merge {model.name} -o merged, and set model.name to merged",
        )
