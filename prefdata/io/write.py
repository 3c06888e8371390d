"""Writes that appear whole or not at all: a temporary file beside the target, then a rename."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
import pyarrow as pa

from prefdata.errors import InputError

if TYPE_CHECKING:
    import polars as pl

SUFFIXES = (".parquet", ".jsonl")


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yields a temporary path that becomes `path` on success and vanishes on failure.

    Raises:
        InputError: the file system refuses (no space, no permission, no such directory).
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise _refused(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_directory(path: Path) -> Iterator[Path]:
    """Yields a new directory that becomes `path` on success and vanishes on failure.

    Raises:
        InputError: `path` holds something already, or the file system refuses.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise InputError(f"{path}: exists and is not empty", hint="name a new directory")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.mkdir(parents=True)
        yield temporary
        for written in temporary.iterdir():
            with written.open("rb") as file:
                os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise _refused(path, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _refused(path: Path, error: OSError) -> InputError:
    reason = os.strerror(error.errno) if error.errno else str(error)
    hint = "free some space or write elsewhere" if error.errno == errno.ENOSPC else None
    return InputError(f"{path}: cannot be written: {reason}", hint=hint)


class TableWriter(Protocol):
    """Takes tables of one schema, in order."""

    def write(self, table: pa.Table) -> None:
        """Appends the rows of `table`."""

    def close(self) -> None:
        """Finishes the file."""


class _Parquet:
    """One row group a batch; zstd level 1 is the knee of size against time; no statistics."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        import pyarrow.parquet as pq

        self._writer = pq.ParquetWriter(
            path, schema, compression="zstd", compression_level=1, write_statistics=False
        )

    def write(self, table: pa.Table) -> None:
        self._writer.write_table(table)

    def close(self) -> None:
        self._writer.close()


class _JsonLines:
    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")

    def write(self, table: pa.Table) -> None:
        self._file.write(json_lines(table))

    def close(self) -> None:
        self._file.close()


def json_lines(table: pa.Table) -> bytes:
    """Returns one object a line, nulls left out, so that a person can read it."""
    encode = msgspec.json.encode
    return b"".join(encode(without_nulls(row)) + b"\n" for row in table.to_pylist())


def without_nulls(value: Any) -> Any:
    """Returns `value` with the null fields of its objects left out, at every depth."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    return value


def check_suffix(path: Path) -> None:
    """Raises where a file name does not say in which format to write.

    Raises:
        InputError: the suffix is none of `SUFFIXES`.
    """
    if path.suffix not in SUFFIXES:
        raise InputError(
            f"{path}: cannot tell the output format from '{path.suffix}'",
            hint=f"end the name in one of {', '.join(SUFFIXES)}",
        )


@contextmanager
def table_writer(path: Path, schema: pa.Schema) -> Iterator[TableWriter]:
    """Yields a writer for `path`, Parquet or JSON Lines by its suffix; atomic.

    Raises:
        InputError: another suffix, or the file cannot be written.
    """
    check_suffix(path)
    with atomic(path) as temporary:
        writer: TableWriter = (
            _Parquet(temporary, schema) if path.suffix == ".parquet" else _JsonLines(temporary)
        )
        try:
            yield writer
        finally:
            writer.close()


def write_pairs(pairs: pl.DataFrame | pa.Table, path: Path | str) -> None:
    """Writes canonical pairs (or any of our tables) to a .parquet or .jsonl file, atomically."""
    table = pairs if isinstance(pairs, pa.Table) else pairs.to_arrow()
    table = _narrow(table)
    with table_writer(Path(path), table.schema) as writer:
        for start in range(0, table.num_rows, 4096):
            writer.write(table.slice(start, 4096))


def _narrow(table: pa.Table) -> pa.Table:
    """Returns the table with polars' large and view types as the plain ones our schemas use."""
    return table.cast(pa.schema([(f.name, _plain(f.type)) for f in table.schema]))


def _plain(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_large_list(kind) or pa.types.is_list(kind):
        return pa.list_(_plain(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([(f.name, _plain(f.type)) for f in kind])
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    return kind
