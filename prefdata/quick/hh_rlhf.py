"""HH-RLHF transcripts, a block at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct

from prefdata.frame import messages_column, texts
from prefdata.quick import NOTHING, Integers, Mask, Quick, slices, standing, twin
from prefdata.quick.single_keys import proven_single, quotes_in

_HUMAN, _ASSISTANT = b"\n\nHuman:", b"\n\nAssistant:"
_ROLES = pa.array(["assistant", "user"])
_NEWLINES, (_NEWLINE, _SPACE) = b"\n\n", b"\n "
_QUOTES = 8  # around two keys and two texts


class _Row(Struct, forbid_unknown_fields=True, gc=False):
    chosen: str
    rejected: str


class _Turns(NamedTuple):
    """The turns of many transcripts, in order; all arrays have one entry a turn.

    Attributes:
        data: the transcripts, one after the other.
        row: which transcript a turn is of.
        marker: byte at which its marker starts.
        start: byte at which its text starts.
        end: byte after its text.
        human: whether the human speaks.
        last: whether it is the last of its transcript.
    """

    data: pa.Buffer
    row: Integers
    marker: Integers
    start: Integers
    end: Integers
    human: Mask
    last: Mask


@twin("hh-rlhf")
def hh_rlhf(lines: Sequence[bytes]) -> Quick:
    """Takes rows of two transcripts that begin with a marker and differ in their last turn only."""
    taken, rows = _decoded(lines)
    if not rows:
        return NOTHING
    chosen, rejected = texts([row.chosen for row in rows]), texts([row.rejected for row in rows])
    ours, theirs = _turns(chosen), _turns(rejected)
    good = _plain(chosen, ours) & _plain(rejected, theirs) & _alike(chosen, ours, rejected, theirs)
    quotes = _QUOTES * len(rows) + quotes_in(chosen) + quotes_in(rejected)
    good &= proven_single([lines[index] for index in taken], rows, quotes)
    left = [taken[index] for index in np.flatnonzero(good).tolist()]
    return Quick(left, _columns(_of(ours, good), _of(theirs, good), len(left)))


def _decoded(lines: Sequence[bytes]) -> tuple[list[int], list[_Row]]:
    """Returns the lines that hold two texts, and these."""
    decode = msgspec.json.Decoder(_Row).decode
    taken, rows = [], []
    for index, line in enumerate(lines):
        try:
            rows.append(decode(line))
        except (msgspec.MsgspecError, UnicodeDecodeError):
            continue
        taken.append(index)
    return taken, rows


def _columns(ours: _Turns, theirs: _Turns, rows: int) -> dict[str, pa.Array]:
    one_each = np.ones(rows, np.int64)
    asked = ~ours.last
    assistant = _ROLES.take(pa.array(one_each - 1))
    return {
        "prompt": messages_column(
            np.bincount(ours.row[asked], minlength=rows),
            role=_ROLES.take(pa.array(ours.human[asked].astype(np.int8))),
            content=slices(ours.data, ours.start[asked], ours.end[asked]),
        ),
        "chosen": messages_column(one_each, role=assistant, content=_last(ours)),
        "rejected": messages_column(one_each, role=assistant, content=_last(theirs)),
    }


def _last(turns: _Turns) -> pa.StringArray:
    return slices(turns.data, turns.start[turns.last], turns.end[turns.last])


def _of(turns: _Turns, good: Mask) -> _Turns:
    """Returns the turns of the good transcripts, which are counted anew."""
    keep = good[turns.row]
    row = (np.cumsum(good) - 1)[turns.row[keep]]
    return _Turns(
        turns.data,
        row,
        turns.marker[keep],
        turns.start[keep],
        turns.end[keep],
        turns.human[keep],
        turns.last[keep],
    )


def _plain(transcripts: pa.StringArray, turns: _Turns) -> Mask:
    """Returns which transcripts begin with a human's turn and end with the assistant's."""
    starts = pc.starts_with(transcripts, _HUMAN.decode()).to_numpy(zero_copy_only=False)
    answered = np.zeros(len(transcripts), bool)
    answered[turns.row[turns.last & ~turns.human]] = True
    return cast(Mask, starts & answered)


def _alike(ours: pa.StringArray, our: _Turns, theirs: pa.StringArray, their: _Turns) -> Mask:
    """Returns which rows have the same text before the last turn of each side."""
    befores = []
    for column, turns in ((ours, our), (theirs, their)):
        starts = _offsets(column)[:-1]
        ends = starts.copy()
        ends[turns.row[turns.last]] = turns.marker[turns.last]
        befores.append(slices(turns.data, starts, ends))
    return cast(Mask, pc.equal(*befores).to_numpy(zero_copy_only=False))


def _turns(transcripts: pa.StringArray) -> _Turns:
    """Finds the markers; a transcript without any has no turns."""
    offsets = _offsets(transcripts)
    data = transcripts.buffers()[2]
    codes = np.frombuffer(data, np.uint8)[: offsets[-1]]
    breaks = standing(codes, np.flatnonzero(codes == _NEWLINE), _NEWLINES)
    said = [standing(codes, breaks, marker) for marker in (_ASSISTANT, _HUMAN)]
    places = np.concatenate(said)
    order = np.argsort(places, kind="stable")
    marker, human = places[order], order >= len(said[0])
    start = marker + np.where(human, len(_HUMAN), len(_ASSISTANT))
    row = np.searchsorted(offsets, marker, side="right") - 1
    whole = start <= offsets[row + 1]  # does not run into the next transcript
    marker, human, start, row = marker[whole], human[whole], start[whole], row[whole]
    last = np.append(row[1:] != row[:-1], True) if len(row) else np.zeros(0, bool)
    end = np.where(last, offsets[row + 1], np.append(marker[1:], 0))
    start += (start < end) & (codes[np.minimum(start, len(codes) - 1)] == _SPACE)
    return _Turns(data, row, marker, start, end, human, last)


def _offsets(column: pa.StringArray) -> Integers:
    return np.frombuffer(column.buffers()[1], np.int32, len(column) + 1).astype(np.int64)
