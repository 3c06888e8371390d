"""The tokenizer of a run's model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from prefalign.adapters import base_under
from prefalign.config import Model
from prefdata.tokens import load_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def tokenizer_of(model: Model) -> PreTrainedTokenizerBase:
    """Returns the tokenizer that `model` is trained and asked with.

    Adapters without a tokenizer of their own have that of the model they belong to.

    Raises:
        InputError: it cannot be loaded, or has no chat template.
    """
    base = base_under(model.name)
    if base is not None and not _has_tokenizer(model.name):
        return load_tokenizer(base, trust_remote_code=model.trust_remote_code)
    return load_tokenizer(model.name, trust_remote_code=model.trust_remote_code)


def _has_tokenizer(name: str) -> bool:
    from transformers.utils import cached_file

    if Path(name).is_dir():
        return (Path(name) / "tokenizer_config.json").exists()
    return (
        cached_file(name, "tokenizer_config.json", _raise_exceptions_for_missing_entries=False)
        is not None
    )
