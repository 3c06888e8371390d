"""What the sides of benchmarks.traps share: what a trainer was seen to train on, and how a user gets there.

A user of a trainer that does not know a layout maps its columns first. The index of the traps says how, in
`trl`; where the trap is a convention, it takes the other one:

- `prompt`, `chosen`, `rejected`: the place of each, such as `input.messages` or `output.0`;
- `pick`, `by`, `first`: two places of answers, and the place of a label; the first answer is chosen where
  the label is `first`, and the other one in every other case;
- `among`, `score`, `text`: the place of a list of answers, the highest score is chosen, the lowest rejected;
  or `among` and `scores`, two lists side by side;
- `beside`: a CSV whose columns are put beside the file's, row by row; `eval`: the file to evaluate on.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct

from tests.traps.corpus import Trap

SPECIALS = ("<|im_start|>", "<|im_end|>", "<|endoftext|>")
_READERS = {"csv": "csv", "json": "json", "jsonl": "json", "gz": "json"}
_SIDES = ("prompt", "chosen", "rejected")


class Seen(Struct, frozen=True):
    """One pair as a trainer's batch holds it: decoded, special tokens and all, after truncation.

    Attributes:
        prompt, chosen, rejected: text of the tokens.
        identical: whether both sides are the same tokens.
        empty: the sides that are left without any token but special ones.
    """

    prompt: str
    chosen: str
    rejected: str
    identical: bool
    empty: list[str]


class Observed(Struct, frozen=True):
    """What a trainer did with a file.

    Attributes:
        error: the messages of an exception and its causes, or that time was up.
        warned: warnings that a faultless file does not bring.
        rows: rows that were handed to the trainer.
        seen: pairs it trained on.
        loss: of the one step; nats.
        gradient: its norm.
    """

    error: str | None = None
    warned: list[str] = []
    rows: int = 0
    seen: list[Seen] = []
    loss: float | None = None
    gradient: float | None = None


def seen(texts: Mapping[str, str], ids: Mapping[str, list[int]]) -> Seen:
    """Returns one pair.

    Args:
        texts: decoded prompt, chosen and rejected.
        ids: the token ids of chosen and rejected.
    """
    return Seen(
        **{side: texts[side] for side in _SIDES},
        identical=ids["chosen"] == ids["rejected"],
        empty=[side for side in _SIDES[1:] if not plain(texts[side]).strip()],
    )


def plain(text: str) -> str:
    """Returns a decoded text without special tokens."""
    for special in SPECIALS:
        text = text.replace(special, "")
    return text


def load(file: Path, trap: Trap) -> Any:
    """Returns the file as `datasets` reads it, its columns mapped as the trap's user does."""
    from datasets import Dataset, load_dataset

    kind = _READERS[file.suffix.removeprefix(".")]
    data = load_dataset(kind, data_files=str(file), split="train")
    if "beside" in trap.trl:
        beside = load_dataset("csv", data_files=str(file.parent / trap.trl["beside"]))["train"]
        for name in set(beside.column_names) - set(data.column_names):
            data = data.add_column(name, beside[name])
    if not set(trap.trl) & {"chosen", "pick", "among"}:
        return data
    return Dataset.from_list([mapped(row, trap.trl) for row in data])


def mapped(row: Mapping[str, Any], how: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the columns that a trainer knows; raises what a user's own code would."""
    prompt = {"prompt": at(row, how["prompt"])} if "prompt" in how else {}
    if "pick" in how:
        first, second = (at(row, place) for place in how["pick"])
        if at(row, how["by"]) != how["first"]:
            first, second = second, first
    elif "among" in how:
        first, second = _best_and_worst(row, how)
    else:
        first, second = at(row, how["chosen"]), at(row, how["rejected"])
    return {**prompt, "chosen": first, "rejected": second}


def _best_and_worst(row: Mapping[str, Any], how: Mapping[str, Any]) -> tuple[Any, Any]:
    answers = at(row, how["among"])
    if "scores" in how:
        scored = list(zip(at(row, how["scores"]), answers, strict=True))
    else:
        scored = [(answer[how["score"]], answer[how["text"]]) for answer in answers]
    order = sorted(scored, key=lambda item: item[0])
    return order[-1][1], order[0][1]


def at(value: Any, place: str) -> Any:
    """Returns what stands at a place such as `input.messages.0`."""
    for key in place.split("."):
        value = value[int(key)] if key.isdigit() else value[key]
    return value


def messages(error: BaseException) -> str:
    """Returns type and message of an exception and of all that caused it: what a traceback shows."""
    lines = []
    link: BaseException | None = error
    while link is not None:
        lines.append(f"{type(link).__name__}: {link}")
        link = link.__cause__ or link.__context__
    return "\n".join(lines)


@contextmanager
def listening() -> Iterator[list[str]]:
    """Collects what is logged at the level of warnings, and Python's own."""
    heard: list[str] = []

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            heard.append(record.getMessage())

    ear = Ear(logging.WARNING)
    roots = [logging.getLogger(), *map(logging.getLogger, ("transformers", "datasets", "trl"))]
    for root in roots:
        root.addHandler(ear)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield heard
            heard += [str(warning.message) for warning in caught]
    finally:
        for root in roots:
            root.removeHandler(ear)
