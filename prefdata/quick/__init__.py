"""Quick twins of layouts that carry millions of rows: whole blocks of plain rows, column by column.

A twin is given whole lines. It takes those that are as plain as nearly all are, and says which; every other
line, and so every fault, is left to the layout's reader. For the lines it takes it gives exactly what
the reader would give: a property test holds each twin to that. A twin is one file:

    @twin("hh-rlhf")
    def hh_rlhf(data: bytes) -> Quick: ...
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from prefdata.registry import Registry

Integers: TypeAlias = npt.NDArray[np.int64]
Mask: TypeAlias = npt.NDArray[np.bool_]


class Quick(NamedTuple):
    """Plain rows as columns.

    Attributes:
        lines: how many the twin was given.
        taken: indexes of the lines they come from, ascending.
        columns: canonical columns but ids, origin and those that are null; as many rows as `taken`.
    """

    lines: int
    taken: Sequence[int] | Integers
    columns: dict[str, pa.Array]


Twin: TypeAlias = Callable[[bytes], Quick]

TWINS: Registry[Twin] = Registry("quick twin", "prefdata.quick")


def twin(layout: str) -> Callable[[Twin], Twin]:
    """Registers the decorated function as the quick twin of `layout`."""

    def register(found: Twin) -> Twin:
        TWINS.add(layout, found, found.__module__)
        return found

    return register


def find_twin(layout: str | None) -> Twin | None:
    """Returns the quick twin of the layout with this name, if it has one."""
    return TWINS.get(layout) if layout is not None and layout in TWINS.names() else None


def standing(codes: npt.NDArray[np.uint8], places: Integers, text: bytes) -> Integers:
    """Returns those of the places at which `text` stands in `codes`."""
    places = places[places + len(text) <= len(codes)]
    for at, code in enumerate(text):
        places = places[codes[places + at] == code]
    return places


def slices(data: pa.Buffer, starts: Integers, ends: Integers) -> pa.StringArray:
    """Returns stretches of UTF-8 text as a column, copied once.

    Args:
        data: the text; below 2 GiB.
        starts: int64, the first byte of each stretch.
        ends: int64, the byte after each stretch.
    """
    # string views say where a text stands, and hold it themselves if it has up to 12 bytes
    lengths = (ends - starts).astype(np.int32)
    views = np.zeros((len(starts), 4), np.int32)
    views[:, 0], views[:, 3] = lengths, starts
    codes, cells = np.frombuffer(data, np.uint8), views.view(np.uint8).reshape(-1, 16)
    long, short = lengths > 12, lengths <= 12
    views[short, 3] = 0
    for place in range(12):
        held = (short & (lengths > place)) | (long if place < 4 else False)
        cells[held, 4 + place] = codes[starts[held] + place]
    buffers = [None, pa.py_buffer(views), data]
    return pa.Array.from_buffers(pa.string_view(), len(starts), buffers).cast(pa.string())
