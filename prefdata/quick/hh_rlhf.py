"""HH-RLHF transcripts, a block at a time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from prefdata.frame import messages_column
from prefdata.quick import Integers, Mask, Quick, slices, standing, twin
from prefdata.quick.flat_texts import Codes, flat_texts

_HUMAN, _ASSISTANT = b"\n\nHuman:", b"\n\nAssistant:"
_ROLES = pa.array(["assistant", "user"])
_NEWLINES, (_NEWLINE, _SPACE) = b"\n\n", b"\n "


class _Markers(NamedTuple):
    """Where turns begin, in order, and whether the human speaks."""

    places: Integers
    human: Mask


class _Turns(NamedTuple):
    """The turns of many transcripts, in order; all arrays have one entry a turn.

    Attributes:
        row: which transcript a turn is of.
        marker: byte at which its marker starts.
        start: byte at which its text starts.
        end: byte after its text.
        human: whether the human speaks.
        last: whether it is the last of its transcript.
    """

    row: Integers
    marker: Integers
    start: Integers
    end: Integers
    human: Mask
    last: Mask


@twin("hh-rlhf")
def hh_rlhf(data: bytes) -> Quick:
    """Takes rows of two transcripts that begin with a marker and differ in their last turn only."""
    found = flat_texts(data, (b"chosen", b"rejected"))
    text, markers = pa.py_buffer(found.codes), _markers(found.codes)
    ours, theirs = (
        _turns(found.codes, markers, starts, ends)
        for starts, ends in zip(found.starts.T, found.ends.T, strict=True)
    )
    good = _plain(ours, found.starts[:, 0]) & _plain(theirs, found.starts[:, 1])
    befores = [
        slices(text, starts, _last_markers(turns, starts))
        for turns, starts in zip((ours, theirs), found.starts.T, strict=True)
    ]
    good &= pc.equal(*befores).to_numpy(zero_copy_only=False)
    taken = found.taken[good]
    columns = _columns(text, _of(ours, good), _of(theirs, good), len(taken)) if len(taken) else {}
    return Quick(found.lines, taken, columns)


def _markers(codes: Codes) -> _Markers:
    breaks = standing(codes, np.flatnonzero(codes == _NEWLINE), _NEWLINES)
    said = [standing(codes, breaks, marker) for marker in (_ASSISTANT, _HUMAN)]
    places = np.concatenate(said)
    order = np.argsort(places, kind="stable")
    return _Markers(places[order], order >= len(said[0]))


def _turns(codes: Codes, markers: _Markers, starts: Integers, ends: Integers) -> _Turns:
    """Returns the turns of the transcripts that start and end at these bytes."""
    row = np.searchsorted(starts, markers.places, side="right") - 1
    keep = (row >= 0) & (markers.places < np.append(ends, 0)[row])
    marker, human, row = markers.places[keep], markers.human[keep], row[keep]
    start = marker + np.where(human, len(_HUMAN), len(_ASSISTANT))
    last = np.append(row[1:] != row[:-1], True) if len(row) else np.zeros(0, bool)
    end = np.where(last, ends[row], np.append(marker[1:], 0))
    start += (start < end) & (codes[np.minimum(start, len(codes) - 1)] == _SPACE)
    return _Turns(row, marker, start, end, human, last)


def _plain(turns: _Turns, starts: Integers) -> Mask:
    """Returns which transcripts begin with a human's turn and end with the assistant's."""
    asks, answers = np.zeros((2, len(starts)), bool)
    asks[turns.row[turns.human & (turns.marker == starts[turns.row])]] = True
    answers[turns.row[turns.last & ~turns.human]] = True
    return asks & answers


def _last_markers(turns: _Turns, starts: Integers) -> Integers:
    """Returns where the last turn of each transcript begins; `starts` where there is none."""
    found = starts.copy()
    found[turns.row[turns.last]] = turns.marker[turns.last]
    return found


def _of(turns: _Turns, good: Mask) -> _Turns:
    """Returns the turns of the good transcripts, which are counted anew."""
    keep = good[turns.row]
    row = (np.cumsum(good) - 1)[turns.row[keep]]
    _, marker, start, end, human, last = turns
    return _Turns(row, marker[keep], start[keep], end[keep], human[keep], last[keep])


def _columns(text: pa.Buffer, ours: _Turns, theirs: _Turns, rows: int) -> dict[str, pa.Array]:
    one_each = np.ones(rows, np.int64)
    asked = ~ours.last
    assistant = _ROLES.take(pa.array(one_each - 1))
    return {
        "prompt": messages_column(
            np.bincount(ours.row[asked], minlength=rows),
            role=_ROLES.take(pa.array(ours.human[asked].astype(np.int8))),
            content=slices(text, ours.start[asked], ours.end[asked]),
        ),
        "chosen": messages_column(one_each, role=assistant, content=_last(text, ours)),
        "rejected": messages_column(one_each, role=assistant, content=_last(text, theirs)),
    }


def _last(text: pa.Buffer, turns: _Turns) -> pa.StringArray:
    return slices(text, turns.start[turns.last], turns.end[turns.last])
