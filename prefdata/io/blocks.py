"""Blocks: stretches of a source that can be read by themselves, in any process and in any order.

A block knows the number of its first row, so what it becomes depends on its own bytes alone, and the
result of a conversion does not depend on how many workers share the blocks.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pyarrow as pa
from msgspec import Struct

from prefdata.errors import BadRecord
from prefdata.io.json_text import decode_json
from prefdata.io.json_values import UNCLOSED
from prefdata.io.numbered import Numbered


class Block(Protocol):
    """A stretch of a source; picklable."""

    @property
    def first(self) -> int:
        """Number of the first row."""

    def rows(self) -> Iterator[Numbered]:
        """Yields the rows, in order."""


class Lines(Struct, frozen=True):
    """Whole lines of JSON Lines.

    Attributes:
        first: number of the first line.
        offset: byte at which the block starts in the decompressed stream.
        size: bytes of the block.
        data: the bytes; None where they can be read from `path` at `offset`.
        path: the uncompressed file.
    """

    first: int
    offset: int
    size: int
    data: bytes | None = None
    path: str | None = None

    def read(self) -> bytes:
        """Returns the bytes of the block."""
        if self.data is not None:
            return self.data
        assert self.path is not None
        with Path(self.path).open("rb", buffering=0) as file:
            file.seek(self.offset)
            return _exactly(file, self.size)

    def rows(self) -> Iterator[Numbered]:
        """Yields one row a line; a blank line has neither a record nor an error."""
        for line in self.lines():
            yield of_line(*line)

    def lines(self) -> Iterator[tuple[int, bytes, int]]:
        """Yields number, bytes without the line feed, and offset of each line."""
        offset = self.offset
        for number, line in enumerate(self.read().removesuffix(b"\n").split(b"\n"), self.first):
            yield number, line, offset
            offset += len(line) + 1


class Values(Struct, frozen=True):
    """Elements of a JSON array, or JSON values one after the other: (offset, bytes) each."""

    first: int
    values: list[tuple[int, bytes]]

    @property
    def last(self) -> int:
        """Returns the number of the last row."""
        return self.first + len(self.values) - 1

    def rows(self) -> Iterator[Numbered]:
        """Yields one row a value."""
        for number, (offset, raw) in enumerate(self.values, self.first):
            if raw == UNCLOSED:
                error = BadRecord("truncated-input", "the JSON array ends without its ]")
                yield Numbered(number, None, error, raw, offset)
            else:
                yield decoded(number, raw, offset)


class Rows(Struct, frozen=True):
    """Rows that only a sequential reader can find, such as those of a CSV file."""

    first: int
    found: list[Numbered]

    @property
    def last(self) -> int:
        """Returns the number of the last row."""
        return self.found[-1].number

    def rows(self) -> Iterator[Numbered]:
        """Yields the rows as they were found."""
        return iter(self.found)


class Records(Struct, frozen=True):
    """Rows of an Arrow record batch."""

    first: int
    batch: pa.RecordBatch

    def rows(self) -> Iterator[Numbered]:
        """Yields one row a row of the batch; these have no bytes of their own."""
        for number, record in enumerate(self.batch.to_pylist(), self.first):
            yield Numbered(number, record)


def of_line(number: int, line: bytes, offset: int) -> Numbered:
    """Returns what one line holds: a value, what is wrong with it, or nothing."""
    line = line.removesuffix(b"\r")
    if not line.strip():
        return Numbered(number, None, None, line, offset)
    return decoded(number, line, offset)


def decoded(number: int, raw: bytes, offset: int) -> Numbered:
    """Returns the JSON value in `raw`, or what is wrong with it."""
    try:
        return Numbered(number, decode_json(raw), None, raw, offset)
    except BadRecord as error:
        return Numbered(number, None, error, raw, offset)


def _exactly(file: io.FileIO, size: int) -> bytes:
    found = file.read(size)
    while len(found) < size and (more := file.read(size - len(found))):
        found += more
    return found
