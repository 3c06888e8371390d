"""A trained model to the Hugging Face hub: its folder, with the card that training wrote."""

from __future__ import annotations

import json
from pathlib import Path

from prefalign.models.adapters import ADAPTER_FILE
from prefalign.publishing.card import is_hub_name
from prefalign.records.run import MODEL_DIR, RUN_FILE
from prefdata.errors import InputError
from prefdata.publish import upload


def model_folder(source: Path) -> Path:
    """Returns the folder of a finished run, or of a merged model, that is uploaded.

    Raises:
        InputError: there is no model, or there are adapters of a model that nobody else has.
    """
    folder = source / MODEL_DIR if (source / RUN_FILE).exists() else source
    adapter = folder / ADAPTER_FILE
    if not (folder / "config.json").exists() and not adapter.exists():
        raise InputError(
            f"{source}: holds no {RUN_FILE} and no model",
            hint="give the output.dir of a finished run, or what `prefalign merge` wrote",
        )
    if adapter.exists():
        base = json.loads(adapter.read_text(encoding="utf-8"))["base_model_name_or_path"]
        if not is_hub_name(base):
            raise InputError(
                f"{source}: its adapters belong to {base}, which is not on the hub",
                hint=f"upload one model: prefalign merge {source} -o merged",
            )
    return folder


def push(source: Path, name: str, *, private: bool) -> str:
    """Uploads the model of a run as `name`, and returns its address.

    Raises:
        InputError: there is no model to upload, the hub cannot be reached, or it refuses.
    """
    folder = model_folder(source)
    return upload(folder, name, private=private, kind="model", replaced=("*.safetensors",))
