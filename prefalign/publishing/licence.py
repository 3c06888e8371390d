"""The licence of a model, as its own card names it."""

from __future__ import annotations

from pathlib import Path


def stated_licence(name: str) -> str | None:
    """Returns the licence in the front matter of a model's README.md; None where none is named.

    Args:
        name: a directory, a GGUF file or a hub name (looked up in the local cache when offline).
    """
    import yaml
    from huggingface_hub import ModelCard

    file = _card_file(name)
    if file is None:
        return None
    try:
        front = ModelCard.load(file, ignore_metadata_errors=True).data.to_dict()
    except (OSError, ValueError, yaml.YAMLError):  # whatever people write there ends no run
        return None
    licence = front.get("license")
    return str(front.get("license_name", licence) if licence == "other" else licence or "") or None


def _card_file(name: str) -> Path | None:
    path = Path(name).expanduser()
    if path.exists():
        file = (path if path.is_dir() else path.parent) / "README.md"
        return file if file.is_file() else None
    from transformers.utils import cached_file

    try:
        found = cached_file(
            name,
            "README.md",
            _raise_exceptions_for_missing_entries=False,
            _raise_exceptions_for_connection_errors=False,
        )
    except OSError:
        return None
    return Path(found) if found else None
