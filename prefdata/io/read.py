"""Bytes to records: every supported container, each row with its place, one bad row costing one row.

Containers are told by content first (magic bytes, the first character) and by name only where content
cannot tell (CSV against TSV). Text is never interpreted: a CSV cell "NA" is the text NA.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TypeAlias, cast

import msgspec
import zstandard
from msgspec import Struct

from prefdata.errors import BadRecord, InputError
from prefdata.io import hub
from prefdata.types import Origin

STDIN = "-"
_GZIP, _ZSTD, _PARQUET, _ARROW, _ARROW_STREAM = (
    b"\x1f\x8b",
    b"\x28\xb5\x2f\xfd",
    b"PAR1",
    b"ARROW1",
    b"\xff\xff\xff\xff",
)
_BOM = b"\xef\xbb\xbf"
_COMPRESSED = (".gz", ".zst")
_BATCH_ROWS = 1024

csv.field_size_limit(sys.maxsize)


class Row(Struct, frozen=True):
    """One row of a source: its record, or why there is none, and its bytes for the quarantine.

    `record` is None for a blank line, which is not an error.
    """

    origin: Origin
    record: Any
    error: BadRecord | None = None
    raw: bytes | None = None


Numbered: TypeAlias = tuple[int, Any, BadRecord | None, bytes | None]
Progress: TypeAlias = Callable[[int], None]


@contextmanager
def spooled(source: str) -> Iterator[Path]:
    """Yields a path that holds the source's bytes; standard input is copied to a temporary file."""
    if source != STDIN:
        path = Path(source)
        if not path.exists():
            raise InputError(f"{source}: no such file", hint=hub.name_hint(source))
        if path.is_dir():
            raise InputError(f"{source}: is a directory", hint=f"name its files: {source}/*.jsonl")
        yield path
        return
    with tempfile.NamedTemporaryFile(prefix="prefdata-stdin-") as copy:
        shutil.copyfileobj(sys.stdin.buffer, copy)
        copy.flush()
        yield Path(copy.name)


def source_name(source: str) -> str:
    """Returns the name a set goes by: its file name without suffixes, or its hub name."""
    if source == STDIN:
        return "stdin"
    if hub.is_name(source):
        return source
    name = Path(source).name
    for suffix in _COMPRESSED:
        name = name.removesuffix(suffix)
    return Path(name).stem


def read(source: str, path: Path | None, *, progress: Progress = lambda _: None) -> Iterator[Row]:
    """Yields every row of a source in order.

    Args:
        source: what the person named: a path, `-`, or a hub dataset; used in origins.
        path: the file with its bytes (see `spooled`); None for a hub dataset.
        progress: called with the number of bytes of the file consumed so far.

    Raises:
        InputError: the container as a whole cannot be read.
    """
    name = source_name(source)
    if path is None:
        rows: Iterator[Numbered] = (
            (number, record, None, None) for number, record in enumerate(hub.records(source), 1)
        )
    else:
        rows = _rows(source, path, progress)
    for number, record, error, raw in rows:
        yield Row(Origin(name, source, number), record, error, raw)


def _rows(source: str, path: Path, progress: Progress) -> Iterator[Numbered]:
    try:
        with path.open("rb") as file, _decompressed(file) as stream:
            for item in _container(source, file, stream):
                yield item
                progress(file.tell())
    except (EOFError, gzip.BadGzipFile, zstandard.ZstdError) as error:
        raise InputError(
            f"{source}: the compressed data is damaged or ends early ({error})",
            hint="fetch the file again, or decompress what can be saved: gzip -dc or zstd -dc",
        ) from error
    except OSError as error:
        raise InputError(f"{source}: cannot be read: {error.strerror or error}") from error


@contextmanager
def _decompressed(file: IO[bytes]) -> Iterator[io.BufferedReader]:
    magic = file.read(4)
    file.seek(0)
    if magic.startswith(_GZIP):
        with gzip.open(file, "rb") as unzipped:
            yield io.BufferedReader(cast(io.RawIOBase, unzipped), 1 << 20)
    elif magic == _ZSTD:
        reader = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
        yield io.BufferedReader(cast(io.RawIOBase, reader), 1 << 20)
    else:
        yield cast(io.BufferedReader, file)


def _container(source: str, file: IO[bytes], stream: io.BufferedReader) -> Iterator[Numbered]:
    head = stream.peek(1 << 16)
    if head.startswith(_BOM):
        stream.read(len(_BOM))
        head = head[len(_BOM) :]
    if head.startswith((_PARQUET, _ARROW, _ARROW_STREAM)):
        return _arrow(source, head, file if stream is file else io.BytesIO(stream.read()))
    start = head.lstrip()[:1]
    suffix = _suffix(source)
    if suffix in (".csv", ".tsv"):
        return _delimited(source, stream, head)
    if start == b"[":
        return _json_array(source, stream)
    if start in (b"{", b"") or suffix in (".jsonl", ".ndjson", ".json"):
        return _json_lines(stream)
    return _delimited(source, stream, head)


def _suffix(source: str) -> str:
    path = Path(source)
    return Path(path.stem).suffix.lower() if path.suffix in _COMPRESSED else path.suffix.lower()


def decode_json(raw: bytes) -> Any:
    """Returns the value of one JSON text.

    Raises:
        BadRecord: `malformed-json` with the column, or `invalid-unicode`.
    """
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _json_fault(raw) from None


def _json_fault(raw: bytes) -> BadRecord:
    """Says what is wrong with a text msgspec refused; the slower json module words it better."""
    try:
        json.loads(raw.decode())
    except UnicodeDecodeError as error:
        return BadRecord("invalid-unicode", f"byte {error.start + 1} is not UTF-8")
    except json.JSONDecodeError as error:
        return BadRecord("malformed-json", f"{error.msg}, column {error.colno}")
    except RecursionError:
        return BadRecord("malformed-json", "nested too deeply")
    if re.search(rb"\\u[dD][89a-fA-F]", raw):
        return BadRecord(
            "invalid-unicode", "half of a surrogate pair stands alone (\\ud800-\\udfff)"
        )
    return BadRecord("malformed-json", "NaN and Infinity are not JSON")


def _decoded(number: int, raw: bytes) -> Numbered:
    try:
        return number, decode_json(raw), None, raw
    except BadRecord as error:
        return number, None, error, raw


def _json_lines(stream: IO[bytes]) -> Iterator[Numbered]:
    for number, line in enumerate(stream, 1):
        raw = line.rstrip(b"\r\n")
        yield _decoded(number, raw) if raw.strip() else (number, None, None, raw)


def _json_array(source: str, stream: IO[bytes]) -> Iterator[Numbered]:
    try:
        items = msgspec.json.decode(stream.read(), type=list[msgspec.Raw])
    except (msgspec.DecodeError, RecursionError) as error:
        raise InputError(
            f"{source}: the JSON array is malformed: {error}",
            hint="mend it there, or write one object a line (.jsonl), where one bad line costs one row",
        ) from None
    for number, item in enumerate(items, 1):
        yield _decoded(number, bytes(item))


def _delimited(source: str, stream: IO[bytes], head: bytes) -> Iterator[Numbered]:
    first_line = head.partition(b"\n")[0]
    delimiter = max("\t,;", key=lambda mark: first_line.count(mark.encode()))
    if _suffix(source) == ".tsv":
        delimiter = "\t"
    # surrogateescape: bytes that are not UTF-8 reach their own row and are reported there
    text = io.TextIOWrapper(stream, encoding="utf-8", errors="surrogateescape", newline="")
    reader = csv.reader(text, delimiter=delimiter, strict=True)
    header = next(reader, [])
    if len(set(header)) < 2 or len(set(header)) < len(header):
        raise InputError(
            f"{source}: not a table: the first line is {first_line[:60].decode(errors='replace')!r}",
            hint="a CSV or TSV file starts with a line of different column names; "
            "a JSON Lines file starts with '{'",
        )
    number = 0
    while True:
        number += 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield number, None, BadRecord("malformed-csv", str(error)), b""
            continue
        yield _table_row(number, header, cells)


def _table_row(number: int, header: list[str], cells: list[str]) -> Numbered:
    if not cells:
        return number, None, None, b""
    raw = "\t".join(cells).encode(errors="surrogateescape")
    if len(cells) != len(header):
        message = f"{len(cells)} cells under {len(header)} column names"
        return number, None, BadRecord("malformed-csv", message), raw
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        message = f"byte {error.start + 1} of the row is not UTF-8"
        return number, None, BadRecord("invalid-unicode", message), raw
    return number, dict(zip(header, cells, strict=True)), None, None


def _arrow(source: str, head: bytes, file: IO[bytes]) -> Iterator[Numbered]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    file.seek(0)
    try:
        if head.startswith(_PARQUET):
            batches = pq.ParquetFile(file).iter_batches(batch_size=_BATCH_ROWS)
        elif head.startswith(_ARROW):
            opened = pa.ipc.open_file(file)
            batches = (opened.get_batch(i) for i in range(opened.num_record_batches))
        else:
            batches = iter(pa.ipc.open_stream(file))
        number = 0
        for batch in batches:
            for record in batch.to_pylist():
                number += 1
                yield number, record, None, None
    except pa.ArrowException as error:
        raise InputError(f"{source}: damaged Arrow or Parquet data: {error}") from error
