"""Output files that grow block by block, survive a killed process, and appear whole or not at all.

While a conversion runs, its files grow in a folder beside the output, and a journal says after each
block how far they have come. A process that dies leaves both behind: the next one cuts the files to
the last line of the journal and goes on with the next block, so the result is the same to the byte.
"""

from __future__ import annotations

import errno
import io
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import filelock
import msgspec
import pyarrow as pa
from msgspec import Struct, field

from prefdata.errors import FormatError, InputError
from prefdata.io import parquet
from prefdata.io.write import json_lines

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # the disk, a quota, a limit of one file
_FOOTERS = ".footers"
_JOURNAL, _LOCK = "journal.jsonl", "lock"
_HANDED, _MOVED = ".part", 1 << 20
_WAITING = ("gathered", "joined")  # grow beside the outputs, and are none


class Encoded(Struct, frozen=True):
    """A table as it is to stand in a file.

    Attributes:
        data: its bytes.
        rows: how many it has.
        footer: its own in a Parquet file.
        file: where the bytes stand instead, to be moved from there.
    """

    data: bytes | memoryview
    rows: int
    footer: bytes = b""
    file: str | None = None

    def put_down(self, folder: Path) -> Encoded:
        """Returns the same with its bytes in a file, for a pipe would be in the way of megabytes.

        Raises:
            InputError: there is no room.
        """
        with _writing(folder):
            number, name = tempfile.mkstemp(dir=folder, suffix=_HANDED)
            with open(number, "wb", buffering=0) as file:  # noqa: PTH123 # it is open already
                _write_all(file, self.data)
        return msgspec.structs.replace(self, data=b"", file=name)


def encode(table: pa.Table, suffix: str) -> Encoded:
    """Returns a table as bytes of a .parquet or .jsonl file."""
    if suffix == ".jsonl":
        return Encoded(json_lines(table), table.num_rows)
    part = parquet.encode(table)
    return Encoded(part.pages, table.num_rows, part.footer)


class Growth(Struct):
    """How far an output has come: bytes, bytes of footers, rows; and whether it is to be a file."""

    data: int = 0
    footers: int = 0
    rows: int = 0
    exists: bool = False


class Entry(Struct):
    """A line of the journal, after so many blocks."""

    blocks: int = 0
    outputs: dict[str, Growth] = field(default_factory=dict)
    account: Any = None
    finishing: bool = False


class Work:
    """The folder in which the outputs of one conversion grow.

    Args:
        outputs: name -> path the file will have.
        identity: what must be the same for a run to go on where another stopped.
        resume: go on with what is there; else begin anew.

    Raises:
        InputError: another process is at it, or `resume` finds the work of another conversion.
    """

    def __init__(
        self, outputs: Mapping[str, Path], identity: Mapping[str, Any], *, resume: bool
    ) -> None:
        self.outputs = dict(outputs)
        first = next(iter(self.outputs.values()))
        self.folder = first.with_name(f".{first.name}.partial")
        self.entry = Entry(outputs={name: Growth() for name in (*outputs, *_WAITING)})
        self._target = first
        with _writing(self._target):
            self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = filelock.FileLock(self.folder / _LOCK)
        try:
            self._lock.acquire(timeout=0)
        except filelock.Timeout:
            raise InputError(f"{first}: another process is writing it") from None
        header = msgspec.json.encode(identity)
        if resume and (self.folder / _JOURNAL).exists():
            self._go_on(header)
        else:
            self._begin(header)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Lets go of the folder, and removes it where going on would not help or save anything."""
        if (kind is not None and issubclass(kind, FormatError)) or not self.entry.blocks:
            self.discard()
        self._lock.release()

    def append(self, name: str, part: Encoded) -> None:
        """Adds a part to the end of an output; one of no rows makes it a file all the same."""
        growth = self.entry.outputs[name]
        with _writing(self._target):
            if not growth.data and part.footer:
                growth.data += self._write(name, parquet.MAGIC)
            if part.footer:
                place = growth.data.to_bytes(8, "little") + len(part.footer).to_bytes(8, "little")
                growth.footers += self._write(name + _FOOTERS, place + part.footer)
            growth.data += (
                self._write(name, part.data) if part.file is None else self._move(name, part.file)
            )
        growth.rows += part.rows
        growth.exists = True

    def note(self, account: Any) -> None:
        """Writes down that one more block is done, and the account so far."""
        self.entry.blocks += 1
        self.entry.account = account
        self._journal()

    def read(self, name: str) -> Iterator[bytes]:
        """Yields the lines of an output as far as it has come."""
        if not self.entry.outputs[name].rows:
            return
        with (self.folder / name).open("rb") as file:
            yield from file

    def finish(self, account: Any) -> None:
        """Puts the outputs in place; one that has no rows and is no longer true is removed.

        From here on nothing may be appended: a process that goes on does no more than finish.
        """
        self.entry.finishing = True
        self.entry.account = account
        with _writing(self._target):
            self._journal()
            for name, path in self.outputs.items():
                self._put(name, path)

    def discard(self) -> None:
        """Removes the folder."""
        self._lock.release()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _begin(self, header: bytes) -> None:
        with _writing(self._target):
            for path in self.folder.iterdir():
                if path.name != _LOCK:
                    path.unlink()
            self._write(_JOURNAL, header + b"\n")

    def _go_on(self, header: bytes) -> None:
        found, *lines = (self.folder / _JOURNAL).read_bytes().split(b"\n")
        if found != header:
            raise InputError(
                f"{self._target}: the run that was interrupted had other sources or settings",
                hint="give the same command, or begin anew without --resume",
            )
        whole = [line for line in lines if line.endswith(b"}")]
        entries = (msgspec.json.decode(line, type=Entry) for line in reversed(whole))
        entry = next((entry for entry in entries if self._holds(entry)), None)
        if entry is None:
            self._begin(header)
            return
        self.entry = entry
        for name, growth in entry.outputs.items():
            self._cut(name, growth.data)
            self._cut(name + _FOOTERS, growth.footers)
        for path in self.folder.glob(f"*{_HANDED}"):
            path.unlink()

    def _holds(self, entry: Entry) -> bool:
        """Tells whether the files hold all that the entry says; a power cut may have lost some."""
        return entry.finishing or all(
            self._size(name) >= growth.data and self._size(name + _FOOTERS) >= growth.footers
            for name, growth in entry.outputs.items()
        )

    def _size(self, name: str) -> int:
        path = self.folder / name
        return path.stat().st_size if path.exists() else 0

    def _cut(self, name: str, size: int) -> None:
        path = self.folder / name
        if path.exists():
            os.truncate(path, size)

    def _put(self, name: str, path: Path) -> None:
        growth, partial = self.entry.outputs[name], self.folder / name
        if not growth.exists:
            path.unlink(missing_ok=True)
        elif partial.exists():  # else it was put in place before the process died
            self._cut(name, growth.data)
            footers = self._footers(name)
            if footers:
                self._write(name, parquet.footer(footers))
            with partial.open("rb") as file:
                os.fsync(file.fileno())
            partial.replace(path)

    def _footers(self, name: str) -> list[tuple[int, bytes]]:
        path = self.folder / (name + _FOOTERS)
        data = path.read_bytes() if path.exists() else b""
        found, at = [], 0
        while at < len(data):
            position, size = (int.from_bytes(data[at + n : at + n + 8], "little") for n in (0, 8))
            found.append((position, data[at + 16 : at + 16 + size]))
            at += 16 + size
        return found

    def _journal(self) -> None:
        with _writing(self._target):
            self._write(_JOURNAL, msgspec.json.encode(self.entry) + b"\n")

    def _write(self, name: str, data: bytes | memoryview) -> int:
        with (self.folder / name).open("ab", buffering=0) as file:
            _write_all(file, data)
        return len(data)

    def _move(self, name: str, handed: str) -> int:
        with Path(handed).open("rb") as source, (self.folder / name).open("ab") as file:
            shutil.copyfileobj(source, file, _MOVED)
            size = source.tell()
        Path(handed).unlink()
        return size


def _write_all(file: io.FileIO, data: bytes | memoryview) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


@contextmanager
def _writing(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        full = error.errno in _FULL
        hint = "free some space and run the command again with --resume" if full else None
        raise InputError(f"{target}: cannot be written: {reason}", hint=hint) from error
