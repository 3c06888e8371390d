"""Token ids to stretches of text that are alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, TypeAlias

from prefdata.render.pair import printable
from prefdata.render.tokens import PartView, SideView, Span
from prefdata.tokens.trainers import Part, Side

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_LOST = "\ufffd"  # what a part of a character decodes to
_CONTEXT = 4  # tokens decoded before a stretch: some tokenizers drop the space at a text's start
_MOST_CELLS = 10**8  # of a comparison's table: 12 MB
_LEAST_ALIKE = 0.3  # of the tokens; below, marks say less than none
_SHORT = 2  # tokens that two texts share by accident between two changes


def side_view(
    tokenizer: PreTrainedTokenizerBase, side: Side, special: frozenset[int], differs: list[bool]
) -> SideView:
    """Returns a side as text; `differs` has a flag for every token of its completion."""
    before = side.prompt.ids
    prompt = _part(tokenizer, [], side.prompt, special, [False] * len(before))
    completion = _part(tokenizer, before, side.completion, special, differs)
    return SideView(prompt, completion, len(side.read))


# which special token it is, for each is a stretch of its own; if it is cut; if it differs
_Style: TypeAlias = tuple[int | None, bool, bool]


def _part(
    tokenizer: PreTrainedTokenizerBase,
    before: list[int],
    part: Part,
    special: frozenset[int],
    differs: list[bool],
) -> PartView:
    ids = before + part.ids
    styles = [
        (at if number in special else None, at not in part.kept, differs[at])
        for at, number in enumerate(part.ids)
    ]
    spans = [
        Span(
            printable(_decode(tokenizer, ids, len(before) + first, len(before) + last)),
            last - first,
            special=special_at is not None,
            cut=cut,
            differs=only_here,
        )
        for (special_at, cut, only_here), first, last in _runs(styles)
    ]
    return PartView(part.ids, (part.kept.start, part.kept.stop), spans)


def _runs(styles: list[_Style]) -> Iterator[tuple[_Style, int, int]]:
    first = 0
    for style, run in groupby(styles):
        last = first + sum(1 for _ in run)
        yield style, first, last
        first = last


def _decode(tokenizer: PreTrainedTokenizerBase, ids: list[int], first: int, last: int) -> str:
    """Returns the text of `ids[first:last]` as it stands after what comes before."""
    context = max(0, first - _CONTEXT)
    head, text = (_text(tokenizer, ids[context:end]) for end in (first, last))
    return text[len(head) :] if text.startswith(head) else _text(tokenizer, ids[first:last])


def _text(tokenizer: PreTrainedTokenizerBase, ids: list[int]) -> str:
    return str(tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False))


def shared_start(a: Sequence[int], b: Sequence[int]) -> int:
    """Returns the number of tokens at which both begin alike."""
    pairs = enumerate(zip(a, b, strict=False))
    return next((at for at, (x, y) in pairs if x != y), min(len(a), len(b)))


def differing(
    tokenizer: PreTrainedTokenizerBase, a: list[int], b: list[int]
) -> tuple[list[bool], list[bool]]:
    """Returns for every token of two completions whether only its own side has it.

    Nothing is marked where they have little in common, or are too long to compare in full.
    """
    marks = [False] * len(a), [False] * len(b)
    start = shared_start(a, b)
    end = shared_start(a[start:][::-1], b[start:][::-1])
    inner = a[start : len(a) - end], b[start : len(b) - end]
    if len(inner[0]) * len(inner[1]) > _MOST_CELLS:
        return marks
    inner_marks, alike = _inner_marks(*inner)
    if 2 * (start + end + alike) < _LEAST_ALIKE * (len(a) + len(b)):
        return marks
    for ids, side, found in zip((a, b), marks, inner_marks, strict=True):
        side[start : start + len(found)] = found
        _whole_characters(tokenizer, ids, side)
    return marks


def _inner_marks(a: list[int], b: list[int]) -> tuple[tuple[list[bool], list[bool]], int]:
    """Returns the marks, and how many tokens both have."""
    from rapidfuzz.distance import Indel

    marks = [True] * len(a), [True] * len(b)
    alike = 0
    for op in Indel.opcodes(a, b):
        length = op.src_end - op.src_start
        if op.tag != "equal" or length < _SHORT:
            continue
        alike += length
        marks[0][op.src_start : op.src_end] = [False] * length
        marks[1][op.dest_start : op.dest_end] = [False] * length
    return marks, alike


def _whole_characters(
    tokenizer: PreTrainedTokenizerBase, ids: list[int], marks: list[bool]
) -> None:
    """Marks all tokens of a character of which one is marked: a part of it cannot be shown."""
    known: dict[int, bool] = {}
    broken = [known.setdefault(i, _LOST in _text(tokenizer, [i])) for i in ids]
    first = 0
    for is_broken, run in groupby(broken):
        last = first + sum(1 for _ in run)
        if is_broken and any(marks[first:last]):
            marks[first:last] = [True] * (last - first)
        first = last
