"""How each trainer turns a pair into token ids: one module a trainer, found by its name.

A trainer is a function that gets a tokenizer and the settings of a run, and returns another that
builds the ids of one canonical row, registered by `@trainer`:

    @trainer("trl-dpo@1.16", truncations=("keep_start", "keep_end"))
    def trl_dpo(tokenizer, settings):
        '''TRL's DPOTrainer.  (what it does that others do not)'''
        return lambda row: Seen(...)

The name says which release's behaviour it is. A module rebuilds what a trainer does from reading its
source, or asks the trainer's own library, imported when the trainer is opened and not before.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from msgspec import Struct

from prefdata.errors import ConfigError, InputError, PrefError
from prefdata.registry import Registry

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Row: TypeAlias = Mapping[str, Any]  # a row of the canonical frame


class Part(NamedTuple):
    """Token ids of a prompt or a completion, and which of them are left by truncation."""

    ids: list[int]
    kept: range

    @property
    def read(self) -> list[int]:
        """Returns the ids that the model reads."""
        return self.ids[self.kept.start : self.kept.stop]

    @property
    def cut(self) -> int:
        """Returns the number of tokens that truncation takes away."""
        return len(self.ids) - len(self.kept)


class Side(NamedTuple):
    """One completion after its prompt; the loss is taken over the completion's tokens."""

    prompt: Part
    completion: Part

    @property
    def read(self) -> list[int]:
        """Returns the ids that the model reads, prompt first."""
        return self.prompt.read + self.completion.read


class Seen(NamedTuple):
    """What a trainer makes of a pair.

    `dropped` is why the pair is left out of training, or None; its tokens are those it would have had.
    """

    chosen: Side
    rejected: Side
    dropped: str | None = None


class Refused(NamedTuple):
    """A pair that a trainer cannot take: its run stops there, or its rows cannot hold it."""

    reason: str


Build: TypeAlias = Callable[[Row], Seen]


class Settings(NamedTuple):
    """What a run gives its trainer.

    Attributes:
        max_length: tokens of prompt + completion; None leaves them whole.
        truncation: what happens to longer ones, one of the trainer's `truncations`.
        variant: what follows the colon of `axolotl:TYPE` and `llamafactory:TEMPLATE`.
    """

    max_length: int | None
    truncation: str
    variant: str


Prepare: TypeAlias = Callable[["PreTrainedTokenizerBase", Settings], Build]


class Trainer(Struct, frozen=True, kw_only=True):
    """A registered trainer; `page` says what it does that others do not.

    Attributes:
        prepare: a tokenizer and settings -> the function that builds one row.
        truncations: those it knows, its default first.
        variant: what a name must give after a colon, e.g. `TEMPLATE`; empty where nothing.
    """

    name: str
    page: str
    prepare: Prepare
    truncations: tuple[str, ...]
    variant: str


class MissingLibrary(PrefError):
    """A trainer whose own library builds its ids, and which is not installed."""

    def __init__(self, trainer: str, package: str, reason: str) -> None:
        super().__init__(
            f"the trainer {trainer} needs {package}: {reason}",
            hint=f"pip install {package}; trl-dpo@1.16, trl-orpo@1.16 and prefalign need nothing else",
        )


class Opened(NamedTuple):
    """A trainer with its tokenizer and settings, ready to build rows."""

    name: str
    settings: Settings
    build: Build

    def see(self, row: Row) -> Seen | Refused:
        """Returns what the trainer makes of a row, its refusal as a value."""
        try:
            return self.build(row)
        except InputError as error:
            return Refused(error.message)


TRAINERS: Registry[Trainer] = Registry("trainer", "prefdata.tokens.trainers")


def trainer(
    name: str, *, truncations: tuple[str, ...], variant: str = ""
) -> Callable[[Prepare], Prepare]:
    """Registers the decorated function under `name`; its docstring becomes its page."""

    def register(prepare: Prepare) -> Prepare:
        found = Trainer(
            name=name,
            page=inspect.getdoc(prepare) or "",
            prepare=prepare,
            truncations=truncations,
            variant=variant,
        )
        TRAINERS.add(name, found, prepare.__module__)
        return prepare

    return register


def trainer_names() -> list[str]:
    """Returns the names of all trainers as they are given, `axolotl:TYPE` among them."""
    return [f"{one.name}:{one.variant}" if one.variant else one.name for one in TRAINERS]


def open_trainer(
    name: str,
    tokenizer: PreTrainedTokenizerBase,
    *,
    max_length: int | None = None,
    truncation: str | None = None,
) -> Opened:
    """Returns the trainer called `name`, ready to build rows.

    Args:
        name: one of `trainer_names`.
        tokenizer: from `load_tokenizer`.
        max_length: tokens of prompt + completion; None leaves them whole.
        truncation: what happens to longer ones; None is the trainer's default.

    Raises:
        PrefError: there is no such trainer.
        ConfigError: it does not truncate like that, or its variant is missing.
        MissingLibrary: its own library is not installed.
    """
    found, settings = find_trainer(name, max_length=max_length, truncation=truncation)
    return Opened(name, settings, found.prepare(tokenizer, settings))


def find_trainer(
    name: str, *, max_length: int | None = None, truncation: str | None = None
) -> tuple[Trainer, Settings]:
    """Returns the trainer called `name` and its settings, before any tokenizer is loaded.

    Raises:
        PrefError: there is no such trainer.
        ConfigError: it does not truncate like that, or its variant is missing.
    """
    head, _, variant = name.partition(":")
    found = TRAINERS.get(head)
    if bool(variant) != bool(found.variant):
        shape = f"{head}:{found.variant}" if found.variant else head
        raise ConfigError([f"'{name}' is not {shape}"], source="--trainer")
    if truncation is not None and truncation not in found.truncations:
        raise ConfigError(
            [f"{name} has no truncation '{truncation}'"],
            source="--truncation",
            hint=f"it has {', '.join(found.truncations)}",
        )
    return found, Settings(max_length, truncation or found.truncations[0], variant)


def whole(ids: list[int]) -> Part:
    """Returns a part of which nothing is cut."""
    return Part(ids, range(len(ids)))


def keep_start(prompt: list[int], completion: list[int], most: int | None) -> Side:
    """Returns a side whose end is cut until prompt and completion have at most `most` tokens."""
    if most is None:
        return Side(whole(prompt), whole(completion))
    kept = min(len(prompt), most)
    room = min(len(completion), most - kept)
    return Side(Part(prompt, range(kept)), Part(completion, range(room)))


def keep_end(prompt: list[int], completion: list[int], most: int | None) -> Side:
    """Returns a side whose start is cut until prompt and completion have at most `most` tokens."""
    if most is None:
        return Side(whole(prompt), whole(completion))
    kept = min(len(completion), most)
    room = min(len(prompt), most - kept)
    return Side(
        Part(prompt, range(len(prompt) - room, len(prompt))),
        Part(completion, range(len(completion) - kept, len(completion))),
    )


def special_ids(tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """Returns the ids of all special tokens, those of the vocabulary that no text can spell."""
    added = tokenizer.added_tokens_decoder
    marked = (number for number, token in added.items() if token.special)
    return frozenset(chain(tokenizer.all_special_ids, marked))
