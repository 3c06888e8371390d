"""The tokenizer of a run's model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from prefalign.config import Model
from prefalign.models.adapters import base_under
from prefdata.tokens import load_tokenizer
from prefdata.tokens.ends import unheeded_end

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def tokenizer_of(model: Model) -> PreTrainedTokenizerBase:
    """Returns the tokenizer that `model` is trained and asked with.

    Adapters without a tokenizer of their own have that of the model they belong to.

    Raises:
        InputError: it cannot be loaded, or has no chat template.
    """
    base = base_under(model.name)
    own = base is None or _has_tokenizer(model.name)
    return load_tokenizer(
        model.name if own else str(base),
        trust_remote_code=model.trust_remote_code,
        chat_template=model.chat_template,
    )


def end_remark(model: Model) -> str | None:
    """Returns what to know of a model that would not stop where the chat template ends an answer."""
    tokenizer = tokenizer_of(model)
    end = unheeded_end(tokenizer)
    if end is None:
        return None
    return (
        f"the chat template ends answers with {end!r}, where generation will not stop (EOS is "
        f"{tokenizer.eos_token!r}): add its token id to eos_token_id in generation_config.json, or set "
        "model.chat_template to tulu, which ends answers with EOS"
    )


def _has_tokenizer(name: str) -> bool:
    from transformers.utils import cached_file

    if Path(name).is_dir():
        return (Path(name) / "tokenizer_config.json").exists()
    return (
        cached_file(name, "tokenizer_config.json", _raise_exceptions_for_missing_entries=False)
        is not None
    )
