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
    "refused": "the trainer cannot take this row",
    "dropped": "this trainer leaves the row out",
    "empty-completion-kept": "nothing of a completion is left, and the row is trained on",
    "tools-ignored": "the tools of the row are not in the tokens",
    "extra-bos": "more beginning-of-sequence tokens",
    "second-eos": "an end-of-sequence token after the one of the template",
    "added-eos": "an end-of-sequence token that the template does not write",
    "other-boundary": "the completion begins at another token",
    "other-prompt": "other tokens in the prompt",
    "other-completion": "other tokens in a completion",
    "longer-ending": "more tokens after the end of a completion",
    "other-truncation": "other tokens are cut",
    "over-max-length": "a sequence is longer than max_length",
}

_QUOTED = 6  # tokens shown of what differs


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


class Reading(NamedTuple):
    """What differences are told with: the ids of BOS and EOS, and how ids become text."""

    bos: int | None
    eos: int | None
    text: Callable[[list[int]], str]


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
        tokenizer: says what BOS and EOS are, and what tokens read.
        rows: of the canonical frame.
        progress: called with 1 after each row.
    """
    reading = Reading(tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.decode)
    for row in rows:
        found = differences(first, second, row, reading)
        if found:
            yield Disagreement(row["id"], row["file"], row["row"], found)
        if progress:
            progress(1)


def differences(first: Opened, second: Opened, row: Row, reading: Reading) -> list[Difference]:
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
            for name, which, detail in _side_differences(sides, both, reading):
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
    ignores = [ignores_tools(trainer, row, one) for trainer, one in zip(both, seen, strict=True)]
    if ignores[0] != ignores[1]:
        for which in (0, 1):
            found.pop(("other-prompt", which), None)
        found["tools-ignored", ignores.index(True)] = "the same tokens as without tools"


def ignores_tools(trainer: Opened, row: Row, seen: Seen) -> bool:
    """Tells whether a row has tools and `seen`, what the trainer makes of it, is the same without."""
    return bool(row["tools"]) and trainer.see({**row, "tools": None}) == seen


class _Body(NamedTuple):
    """A side before truncation, without the BOS before it."""

    bos: int
    ids: list[int]
    start: int  # of the completion
    eos: int  # at the end


def _body(side: Side, reading: Reading) -> _Body:
    prompt, completion = side.prompt.ids, side.completion.ids
    bos = _run(prompt, reading.bos)
    ids = prompt[bos:] + completion
    return _Body(bos, ids, len(prompt) - bos, _run(completion[::-1], reading.eos))


def _run(ids: list[int], mark: int | None) -> int:
    """Returns how many of the first ids are `mark`."""
    return sum(1 for _ in takewhile(lambda number: number == mark, ids))


def _side_differences(
    sides: tuple[Side, Side], both: tuple[Opened, Opened], reading: Reading
) -> Iterator[tuple[str, int, str]]:
    """Yields name, index of the trainer that does it, and detail."""
    a, b = (_body(side, reading) for side in sides)
    if a.bos != b.bos:
        yield "extra-bos", _larger(a.bos, b.bos), _against(a.bos, b.bos, "BOS at the start")
    eos = [sum(number == reading.eos for number in side.completion.ids) for side in sides]
    if (a.eos - b.eos) * (eos[0] - eos[1]) > 0:  # not only moved to the end
        name = "second-eos" if min(eos) else "added-eos"
        yield name, _larger(*eos), _against(eos[0], eos[1], "EOS in a completion")
        a, b = (one._replace(ids=one.ids[: len(one.ids) - one.eos]) for one in (a, b))
    yield from _body_differences(a, b, reading)
    yield from _cut_differences(sides, both)


def _body_differences(a: _Body, b: _Body, reading: Reading) -> Iterator[tuple[str, int, str]]:
    shared = _shared(a.ids, b.ids)
    unlike = " against ".join(_quoted(one.ids[shared:], reading) for one in (a, b))
    if shared < min(a.start, b.start):
        yield "other-prompt", 1, unlike
        return
    if a.start != b.start:
        later = _larger(a.start, b.start)
        yield "other-boundary", later, f"later by {_tokens(abs(a.start - b.start))}"
    longer = _larger(len(a.ids), len(b.ids))
    if shared < min(len(a.ids), len(b.ids)):
        yield "other-completion", 1, unlike
    elif len(a.ids) != len(b.ids):
        more = (a, b)[longer].ids[shared:]
        yield "longer-ending", longer, f"{_tokens(len(more))} more: {_quoted(more, reading)}"


def _quoted(ids: list[int], reading: Reading) -> str:
    return repr(reading.text(ids[:_QUOTED])) + ("…" if len(ids) > _QUOTED else "")


def _tokens(number: int) -> str:
    return f"{number} token{'' if number == 1 else 's'}"


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
