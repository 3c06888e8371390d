"""Two answers word by word: what only one of them has is marked."""

from __future__ import annotations

import re
from typing import NamedTuple

_TOKEN = re.compile(
    r"(?:[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]"  # no spaces between words
    r"|[^\W_]+|[^\w\s]|_)\s*|\s+"
)
_LEAST_ALIKE = 0.3  # of the characters; below, marks say less than none
_SHORT = 4  # characters that two texts share by accident between two changes


class Piece(NamedTuple):
    """A stretch of text, and whether only this side has it."""

    text: str
    changed: bool


def difference(first: str, second: str) -> tuple[list[Piece], list[Piece]]:
    """Returns both texts in pieces; nothing is marked where they have little in common.

    >>> difference("It is blue.", "It is red.")[0]
    [Piece(text='It is ', changed=False), Piece(text='blue', changed=True), Piece(text='.', changed=False)]
    """
    from rapidfuzz.distance import Indel

    tokens = _TOKEN.findall(first), _TOKEN.findall(second)
    blocks = [
        (
            op.tag == "equal",
            tokens[0][op.src_start : op.src_end],
            tokens[1][op.dest_start : op.dest_end],
        )
        for op in Indel.opcodes(*tokens)
    ]
    shared = sum(len("".join(left)) for equal, left, _ in blocks if equal)
    if 2 * shared < _LEAST_ALIKE * (len(first) + len(second)):
        return [Piece(first, changed=False)], [Piece(second, changed=False)]
    sides: tuple[list[Piece], list[Piece]] = ([], [])
    for at, (equal, *both) in enumerate(blocks):
        inner = 0 < at < len(blocks) - 1
        changed = not equal or (inner and len("".join(both[0]).strip()) < _SHORT)
        for side, words in zip(sides, both, strict=True):
            _add(side, Piece("".join(words), changed))
    return sides


def _add(pieces: list[Piece], piece: Piece) -> None:
    """Appends a piece, or lengthens the last one by it."""
    if not piece.text:
        return
    if pieces and pieces[-1].changed == piece.changed:
        pieces[-1] = Piece(pieces[-1].text + piece.text, piece.changed)
    else:
        pieces.append(piece)
