"""The model of a run, looked at without loading it: that its files are there and whole, and how large.

Weights in safetensors files say in a header what they hold, so their number and the size that the file
must have are known without reading one of them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

from prefalign.config import Model
from prefalign.models.adapters import ADAPTER_FILE, base_under, refuse_two_adapters
from prefalign.preflight.problem import Problem
from prefdata.errors import InputError

_LOCAL = ("/", "./", "../", "~")
_PICKLED = ("pytorch_model.bin", "pytorch_model.bin.index.json")
_HUB_SECONDS = 5.0
_LONGEST_HEADER = 100 << 20  # bytes, as in safetensors itself
_WEIGHTS = (".safetensors", ".bin", ".gguf")


@dataclass(frozen=True)
class ModelFiles:
    """What the files of a model say about it.

    Attributes:
        config: `config.json`.
        weights: name -> shape of every tensor in its safetensors files; empty where it has none here.
    """

    config: dict[str, Any] = field(default_factory=dict)
    weights: dict[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def parameters(self) -> int:
        """Numbers in all tensors; 0 where they are not known."""
        return sum(prod(shape) for shape in self.weights.values())


def local_directory(name: str) -> Path | None:
    """Returns the directory that holds a model: the one named, or the hub's snapshot in the cache."""
    path = Path(name)
    if path.is_dir():
        return path
    if path.exists() or name.startswith(_LOCAL):
        return None
    import huggingface_hub

    try:
        found = huggingface_hub.try_to_load_from_cache(name, "config.json")
    except huggingface_hub.errors.HFValidationError:
        return None
    return Path(found).parent if isinstance(found, str) else None


def read_files(name: str) -> ModelFiles:
    """Returns what is known about a model from its files; nothing of one that is not here."""
    directory = local_directory(name)
    if directory is None:
        return ModelFiles()
    weights: dict[str, tuple[int, ...]] = {}
    for file in sorted(directory.glob("model*.safetensors")):
        header, _ = _header(file)
        weights |= {key: tuple(entry["shape"]) for key, entry in header.items()}
    return ModelFiles(_json(directory / "config.json"), weights)


def model_problems(name: str, *, ask_hub: bool) -> Iterator[Problem]:
    """Yields what keeps a model from being loaded.

    Args:
        name: a directory, a GGUF file, or a name on the hub.
        ask_hub: look up a model that is not here; takes as long as the hub's answer.
    """
    path = Path(name)
    if path.is_dir():
        yield from _directory_problems(path)
    elif not path.exists():
        if name.startswith(_LOCAL) or path.suffix == ".gguf":
            yield Problem("model.name", f"{name}: no such file or directory")
        elif ask_hub:
            yield from _hub_problems(name)
    elif path.suffix != ".gguf":
        yield Problem("model.name", f"{name}: neither a directory nor a .gguf file")


def _directory_problems(directory: Path) -> Iterator[Problem]:
    if (directory / ADAPTER_FILE).exists() and not (directory / "config.json").exists():
        yield from _weights_problems(directory, "adapter_model.safetensors")
    elif (directory / "config.json").exists():
        yield from _weights_problems(directory, "model.safetensors")
    elif len(files := list(directory.glob("*.gguf"))) != 1:
        yield Problem(
            "model.name",
            f"{directory}: holds {len(files)} .gguf files and no config.json",
            hint="model.name is a directory with config.json and weights, or one .gguf file",
        )


def _weights_problems(directory: Path, file: str) -> Iterator[Problem]:
    index = directory / f"{file}.index.json"
    if (directory / file).exists():
        names = [file]
    elif index.exists():
        names = sorted(set(_json(index).get("weight_map", {}).values()))
    else:
        if not any((directory / pickled).exists() for pickled in _PICKLED):
            yield Problem(
                "model.name",
                f"{directory}: cannot load the model: it has a configuration and no weights",
                hint=f"{file} is missing there; copy or download the whole model again",
            )
        return
    again = "copy or download the file again"
    for name in names:
        if not (directory / name).exists():
            yield Problem(
                "model.name", f"{directory / name}: missing, and the index names it", again
            )
        elif broken := damage(directory / name):
            yield Problem("model.name", f"{directory / name}: {broken}", again)


def adapter_problems(model: Model) -> Iterator[Problem]:
    """Yields what keeps adapters that are here from being trained further; nothing of a whole model."""
    if not (Path(model.name) / ADAPTER_FILE).is_file():
        return
    try:
        base_under(model.name)
        refuse_two_adapters(model)
    except InputError as error:
        yield Problem("model.lora" if model.lora else "model.name", error.message, error.hint)


def damage(file: Path) -> str | None:
    """Returns what is wrong with a safetensors file as a whole; None for nothing."""
    try:
        header, start = _header(file)
        end = start + max((entry["data_offsets"][1] for entry in header.values()), default=0)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return f"is no safetensors file: {error}"
    size = file.stat().st_size
    if size != end:
        return f"has {size:,} bytes where its header says {end:,}; it was cut off or damaged"
    return None


def _header(file: Path) -> tuple[dict[str, Any], int]:
    """Returns the entries of a safetensors file, and the place in it where their bytes begin.

    Format: 8 bytes with the length of a JSON object, the object, the tensors.
    https://huggingface.co/docs/safetensors

    Raises:
        ValueError: it does not begin like one.
    """
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if not 0 < length <= min(_LONGEST_HEADER, file.stat().st_size):
            raise ValueError("it does not begin with the length of a header")
        header: dict[str, Any] = json.loads(stream.read(length))
    header.pop("__metadata__", None)
    return header, 8 + length


def _json(file: Path) -> dict[str, Any]:
    try:
        values = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def _hub_problems(name: str) -> Iterator[Problem]:
    """Yields what keeps a model on the hub from being fetched; nothing if it is in the cache."""
    import huggingface_hub
    from huggingface_hub import errors

    if local_directory(name) is not None:
        return
    if huggingface_hub.constants.HF_HUB_OFFLINE:
        yield Problem(
            "model.name",
            f"{name}: no such directory, and as a model of the hub it is not in the cache "
            f"({huggingface_hub.constants.HF_HUB_CACHE}); HF_HUB_OFFLINE forbids to fetch it",
            hint=f"unset HF_HUB_OFFLINE, or fetch it where there is a network: hf download {name}",
        )
        return
    try:
        found = huggingface_hub.HfApi().model_info(name, timeout=_HUB_SECONDS)
    except errors.GatedRepoError:
        yield Problem(
            "model.name",
            f"{name}: the hub gives this model only to those who have accepted its terms",
            hint=f"accept them at {_endpoint()}/{name}, then hf auth login",
        )
    except (errors.RepositoryNotFoundError, errors.HFValidationError):
        yield Problem(
            "model.name",
            f"{name}: no such directory, and no such model on the hub",
            hint="check the spelling; for a private model: hf auth login",
        )
    # httpx and huggingface_hub raise unrelated types for a network that is down, slow or filtered
    except Exception as error:  # noqa: BLE001
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        yield Problem(
            "model.name",
            f"{name}: no such directory, and the hub ({_endpoint()}) cannot be reached: {reason}",
            hint=f"fetch it where there is a network (hf download {name}), or give a directory",
        )
    else:
        if not any(file.rfilename.endswith(_WEIGHTS) for file in found.siblings or ()):
            yield Problem("model.name", f"{name}: this model of the hub holds no weights")


def _endpoint() -> str:
    return os.environ.get("HF_ENDPOINT", "https://huggingface.co")
