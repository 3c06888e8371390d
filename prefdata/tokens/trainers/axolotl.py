"""Axolotl's DPO, asked itself for its text, which TRL's trainer then makes into tokens."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from prefdata.errors import InputError
from prefdata.tokens.trainers import (
    Build,
    MissingLibrary,
    Row,
    Seen,
    Settings,
    keep_start,
    trainer,
)
from prefdata.tokens.trainers.written import written

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_FIELDS = {"field_messages": "messages", "field_chosen": "chosen", "field_rejected": "rejected"}


@trainer("axolotl", truncations=("drop",), variant="TYPE")
def axolotl(tokenizer: PreTrainedTokenizerBase, settings: Settings) -> Build:
    """The installed Axolotl, `rl: dpo`, on the rows that `prefdata export` writes.

    - TYPE is a strategy of axolotl.prompt_strategies.dpo, e.g. chat_template.default
    - the completion is rendered after a made-up question and found again by searching for its text
    - its trainer gets text, so the tokenizer adds a BOS to one that the template has written
    - max_length is sequence_len: a pair with a longer side is dropped

    Source: axolotl/prompt_strategies/dpo, axolotl/utils/data/rl.py; TRL 1.9, which Axolotl 0.19
    pins: trl/trainer/dpo_trainer.py, DPOTrainer._prepare_dataset (rows of text).
    """
    transform = _transform(f"axolotl:{settings.variant}", settings.variant, tokenizer)

    def build(row: Row) -> Seen:
        prompt, chosen, rejected = _texts(transform, written("axolotl", row))
        lengths = [len(_ids(tokenizer, text, special=False)) for text in (prompt, chosen, rejected)]
        alone = _ids(tokenizer, prompt)
        most = settings.max_length
        sides = [
            keep_start(alone, _completion(tokenizer, prompt, side, len(alone)), most)
            for side in (chosen, rejected)
        ]
        seen = Seen(sides[0], sides[1])
        if most is not None and lengths[0] + max(lengths[1:]) > most:
            return seen._replace(dropped=f"a side has more than {most} tokens")
        return seen

    return build


def _transform(
    name: str, kind: str, tokenizer: PreTrainedTokenizerBase
) -> Callable[[dict[str, Any]], dict[str, str]]:
    """Returns the function of the strategy `kind` that makes text of a row."""
    try:
        from axolotl.prompt_strategies.dpo import load
        from axolotl.utils.dict import DictDefault
    # its imports fail in many ways: a library that it needs, or one that is too new for it
    except Exception as error:
        raise MissingLibrary(name, "axolotl", str(error)) from error
    settings = DictDefault(
        {
            "rl": "dpo",
            "chat_template": "tokenizer_default",
            "datasets": [{"type": kind, **_FIELDS}],
        }
    )
    found = load(kind, settings, dataset_idx=0)
    if found is None:
        raise InputError(
            f"{name}: Axolotl has no such strategy",
            hint="they are the modules of axolotl.prompt_strategies.dpo: chat_template.default",
        )
    transform = found[0] if isinstance(found, tuple) else found
    if "tokenizer" in inspect.signature(transform).parameters:
        return lambda row: transform(row, tokenizer=tokenizer)
    return transform  # type: ignore[no-any-return]


def _texts(
    transform: Callable[[dict[str, Any]], dict[str, str]], row: dict[str, Any]
) -> tuple[str, str, str]:
    try:
        text = transform(row)
        return text["prompt"], text["chosen"], text["rejected"]
    # strategies are programs of many authors, and templates of strangers
    except Exception as error:
        raise InputError(f"{type(error).__name__}: {error}") from error


def _completion(
    tokenizer: PreTrainedTokenizerBase, prompt: str, completion: str, start: int
) -> list[int]:
    """Returns the tokens after the prompt's number of tokens, as TRL takes them from text."""
    eos = str(tokenizer.eos_token)
    text = completion if completion.endswith(eos) else completion + eos
    return _ids(tokenizer, prompt + text)[start:]


def _ids(tokenizer: PreTrainedTokenizerBase, text: str, *, special: bool = True) -> list[int]:
    return list(tokenizer(text, add_special_tokens=special, verbose=False)["input_ids"])
