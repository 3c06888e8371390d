"""Rows of which two trainers make different tokens, and by what they differ."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import takewhile
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec import Struct

from prefdata.tokens.trainers import Opened, Part, Refused, Row, Seen, Side

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

MEANINGS = {
    "refused": "the run stops at this row",
    "dropped": "this trainer leaves the row out",
    "empty-completion-kept": "nothing of a completion is left, and the row is trained on",
    "tools-ignored": "the tools of the row are not in the tokens",
    "extra-bos": "more beginning-of-sequence tokens",
    "second-eos": "an end-of-sequence token after the one of the template",
    "added-eos": "an end-of-sequence token that the template does not write",
    "other-boundary": "the completion begins at another token",
    "other-prompt": "other tokens in the prompt",
    "other-completion": "other tokens in a completion",
    "other-truncation": "other tokens are cut",
    "over-max-length": "a sequence is longer than max_length",
}


class Difference(NamedTuple):
    """One way in which two trainers disagree on a row.

    Attributes:
        name: a key of `MEANINGS`.
        trainer: the one that does it.
        detail: the figures, or the reason that it gives.
    """

    name: str
    trainer: str
    detail: str


class Disagreement(Struct, frozen=True):
    """A row of which two trainers make different tokens."""

    id: str
    file: str
    row: int
    differences: list[Difference]


class _Marks(NamedTuple):
    bos: int | None
    eos: int | None


def disagreements(
    first: Opened,
    second: Opened,
    tokenizer: PreTrainedTokenizerBase,
    rows: Iterable[Row],
    progress: Callable[[int], object] | None = None,
) -> Iterator[Disagreement]:
    """Yields the rows on which two trainers disagree, each with at least one difference.

    Trainers agree on a row that both read and score as the same tokens, that both drop, or at which
    both stop.

    Args:
        first: a trainer from `open_trainer`.
        second: the other, with the same tokenizer.
        tokenizer: says what BOS and EOS are.
        rows: of the canonical frame.
        progress: called with 1 after each row.
    """
    marks = _Marks(tokenizer.bos_token_id, tokenizer.eos_token_id)
    for row in rows:
        found = differences(first, second, row, marks)
        if found:
            yield Disagreement(row["id"], row["file"], row["row"], found)
        if progress:
            progress(1)


def differences(first: Opened, second: Opened, row: Row, marks: _Marks) -> list[Difference]:
    """Returns by what two trainers differ on a row, each difference once; none if they agree."""
    both = first, second
    a, b = first.see(row), second.see(row)
    if _training(a) == _training(b):
        return []
    if isinstance(a, Refused) or isinstance(b, Refused):
        return [
            Difference("refused", trainer.name, seen.reason)
            for trainer, seen in zip(both, (a, b), strict=True)
            if isinstance(seen, Refused)
        ]
    if a.dropped or b.dropped:
        return list(_one_dropped(both, (a, b)))
    found: dict[tuple[str, int], str] = {}
    for sides in zip(a[:2], b[:2], strict=True):
        if _scored(sides[0]) != _scored(sides[1]):
            for name, which, detail in _side_differences(sides, both, marks):
                found.setdefault((name, which), detail)
    _name_ignored_tools(found, both, (a, b), row)
    return [Difference(name, both[which].name, detail) for (name, which), detail in found.items()]


def _training(seen: Seen | Refused) -> Any:
    """Returns what decides the gradient of a row."""
    if isinstance(seen, Refused):
        return "refused"
    if seen.dropped:
        return "dropped"
    return [_scored(side) for side in seen[:2]]


def _scored(side: Side) -> tuple[list[int], list[int]]:
    return side.prompt.read, side.completion.read


def _one_dropped(both: tuple[Opened, Opened], seen: tuple[Seen, Seen]) -> Iterator[Difference]:
    which = 0 if seen[0].dropped else 1
    yield Difference("dropped", both[which].name, seen[which].dropped or "")
    other = seen[1 - which]
    empty = [name for name in ("chosen", "rejected") if not getattr(other, name).completion.kept]
    if empty:
        detail = f"{' and '.join(empty)} without a token"
        yield Difference("empty-completion-kept", both[1 - which].name, detail)


def _name_ignored_tools(
    found: dict[tuple[str, int], str],
    both: tuple[Opened, Opened],
    seen: tuple[Seen, Seen],
    row: Row,
) -> None:
    """Puts `tools-ignored` for `other-prompt` where one trainer's tokens are the same without them."""
    if not row["tools"]:
        return
    bare = {**row, "tools": None}
    ignores = [trainer.see(bare) == one for trainer, one in zip(both, seen, strict=True)]
    if ignores[0] != ignores[1]:
        for which in (0, 1):
            found.pop(("other-prompt", which), None)
        found["tools-ignored", ignores.index(True)] = "the same tokens as without tools"


class _Body(NamedTuple):
    """A side before truncation, without the BOS before it and the EOS after it."""

    bos: int
    ids: list[int]
    start: int  # of the completion
    eos: int


def _body(side: Side, marks: _Marks) -> _Body:
    prompt, completion = side.prompt.ids, side.completion.ids
    bos = _run(prompt, marks.bos)
    eos = _run(completion[::-1], marks.eos)
    ids = prompt[bos:] + completion[: len(completion) - eos]
    return _Body(bos, ids, len(prompt) - bos, eos)


def _run(ids: list[int], mark: int | None) -> int:
    """Returns how many of the first ids are `mark`."""
    return sum(1 for _ in takewhile(lambda number: number == mark, ids))


def _side_differences(
    sides: tuple[Side, Side], both: tuple[Opened, Opened], marks: _Marks
) -> Iterator[tuple[str, int, str]]:
    """Yields name, index of the trainer that does it, and detail."""
    a, b = (_body(side, marks) for side in sides)
    if a.bos != b.bos:
        yield "extra-bos", _larger(a.bos, b.bos), _against(a.bos, b.bos, "BOS at the start")
    if a.eos != b.eos:
        ended = min(a.eos, b.eos) or marks.eos in a.ids[a.start :] + b.ids[b.start :]
        name = "second-eos" if ended else "added-eos"
        yield name, _larger(a.eos, b.eos), _against(a.eos, b.eos, "EOS at the end")
    yield from _body_differences(a, b)
    yield from _cut_differences(sides, both)


def _body_differences(a: _Body, b: _Body) -> Iterator[tuple[str, int, str]]:
    if a.ids == b.ids:
        if a.start != b.start:
            later = _larger(a.start, b.start)
            yield "other-boundary", later, f"{abs(a.start - b.start)} tokens later"
        return
    shared = _shared(a.ids, b.ids)
    name = "other-prompt" if shared < min(a.start, b.start) else "other-completion"
    yield name, 1, f"from token {shared} on"


def _cut_differences(
    sides: tuple[Side, Side], both: tuple[Opened, Opened]
) -> Iterator[tuple[str, int, str]]:
    cuts = [(_trimmed(side.prompt), _trimmed(side.completion)) for side in sides]
    if cuts[0] != cuts[1]:
        a, b = (side.prompt.cut + side.completion.cut for side in sides)
        yield "other-truncation", _larger(a, b), _against(a, b, "tokens cut")
    for which, (side, trainer) in enumerate(zip(sides, both, strict=True)):
        most = trainer.settings.max_length
        if most is not None and len(side.read) > most:
            yield "over-max-length", which, f"{len(side.read)} tokens"
        if not side.completion.kept and sides[1 - which].completion.kept:
            yield "empty-completion-kept", which, "a completion without a token"


def _trimmed(part: Part) -> tuple[int, int]:
    return part.kept.start, len(part.ids) - part.kept.stop


def _larger(a: int, b: int) -> int:
    return 0 if a > b else 1


def _against(a: int, b: int, what: str) -> str:
    return f"{max(a, b)} {what}, against {min(a, b)}"


def _shared(a: list[int], b: list[int]) -> int:
    pairs = enumerate(zip(a, b, strict=False))
    return next((i for i, (x, y) in pairs if x != y), min(len(a), len(b)))
