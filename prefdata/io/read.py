"""Sources to blocks of rows: every supported container, one bad row costing one row.

Containers are told by content first (magic bytes, the first character) and by name only where content
cannot tell (CSV against TSV). Text is never interpreted: a CSV cell "NA" is the text NA.
"""

from __future__ import annotations

import codecs
import io
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, TypeAlias

import numpy as np
import pyarrow as pa

from prefdata.errors import BadRecord, InputError
from prefdata.io import decompress, hub
from prefdata.io.blocks import Block, Lines, Records, Rows, Values
from prefdata.io.delimited import read_delimited
from prefdata.io.encodings import as_utf8
from prefdata.io.json_values import are_concatenated, boundaries
from prefdata.io.numbered import Numbered
from prefdata.io.temporary import copied
from prefdata.io.workbook import read_workbook

STDIN = "-"
BLOCK_BYTES = 16 << 20
BLOCK_ROWS = 4096

_PARQUET, _ARROW, _ARROW_STREAM = b"PAR1", b"ARROW1", b"\xff\xff\xff\xff"
_WORKBOOK = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
_COMPRESSED = (".gz", ".zst", ".xz", ".bz2", ".zip")
_SHEET = "#"  # votes.xlsx#Sheet1
_HEAD = 1 << 16
_PIECE = 1 << 20
_LINE_FEED = 10

Progress: TypeAlias = Callable[[int], None]


@contextmanager
def spooled(source: str) -> Iterator[Path | None]:
    """Yields a path that holds the source's bytes, None for a hub dataset.

    Standard input is copied to a temporary file.

    Raises:
        InputError: there is no such file.
    """
    if hub.is_name(source):
        yield None
        return
    if hub.is_file(source):
        yield hub.fetched(source)
        return
    if source != STDIN:
        path = Path(source)
        if not path.exists() and _SHEET in source:
            path = Path(source.partition(_SHEET)[0])
        if not path.exists():
            raise InputError(f"{source}: no such file", hint=hub.name_hint(source))
        if path.is_dir():
            raise InputError(f"{source}: is a directory", hint=f"name its files: {source}/*.jsonl")
        yield path
        return
    with copied(sys.stdin.buffer) as path:
        yield path


def source_name(source: str) -> str:
    """Returns the name a set goes by: its file name without suffixes, or its hub name."""
    if source == STDIN:
        return "stdin"
    if hub.is_name(source):
        return source
    name = Path(source.partition(_SHEET)[0]).name
    for suffix in _COMPRESSED:
        name = name.removesuffix(suffix)
    return Path(name).stem


def blocks(
    source: str,
    path: Path | None,
    *,
    encoding: str | None = None,
    progress: Progress = lambda _: None,
) -> Iterator[Block]:
    """Yields a source in blocks that can be read apart from each other, in order.

    Args:
        source: what the person named: a path, `-`, or a hub dataset.
        path: the file with its bytes (see `spooled`); None for a hub dataset.
        encoding: of its text; None for UTF-8, or what a byte order mark says.
        progress: called with the number of bytes of the file consumed so far.

    Raises:
        InputError: the container as a whole cannot be read.
    """
    if path is None:
        yield from _numbered_records(hub.batches(source))
        return
    try:
        with path.open("rb") as file:
            stream = decompress.opened(file)
            for block in _container(source, path, file, stream, encoding):
                yield block
                progress(file.tell())
    except OSError as error:
        raise InputError(f"{source}: cannot be read: {error.strerror or error}") from error


def read(source: str, path: Path | None) -> Iterator[Numbered]:
    """Yields every row of a source, in order.

    Raises:
        InputError: the container as a whole cannot be read.
    """
    for block in blocks(source, path):
        yield from block.rows()


def _container(
    source: str,
    path: Path,
    file: io.BufferedReader,
    stream: decompress.Reader,
    encoding: str | None,
) -> Iterator[Block]:
    head = stream.peek(_HEAD)
    if head.startswith((_PARQUET, _ARROW, _ARROW_STREAM)):
        seekable = file if stream.plain else io.BytesIO(stream.read())
        return _numbered_records(_arrow(source, head, seekable))
    if head.startswith(_WORKBOOK):
        seekable = file if stream.plain else io.BytesIO(stream.read())
        seekable.seek(0)
        _, _, sheet = source.partition(_SHEET)
        return _in_blocks(read_workbook(seekable, source, sheet or None))
    text = as_utf8(stream, encoding)
    unchanged = stream.plain and text is stream
    return _text(source, path if unchanged else None, file, text, stream)


def _text(
    source: str,
    path: Path | None,
    file: io.BufferedReader,
    text: io.BufferedReader,
    stream: decompress.Reader,
) -> Iterator[Block]:
    """Yields the blocks of a text; `path` is given where it stands in the file as it is."""
    head = text.peek(_HEAD)
    start, suffix = head.lstrip()[:1], _suffix(source)
    json_like = start in (b"{", b"[", b"") or suffix in (".jsonl", ".ndjson", ".json")
    if suffix in (".csv", ".tsv") or not json_like:
        found = read_delimited(text, source, tabs=suffix == ".tsv")
        return _to_the_damage(_in_blocks(found), stream)
    if start == b"[" or (start == b"{" and are_concatenated(head)):
        return _to_the_damage(_json_values(text), stream)
    if path is None:
        return _lines_of_stream(text, stream)
    mark = len(codecs.BOM_UTF8) if _starts_with_mark(path) else 0
    return _lines_of_file(file, path, mark)


def _starts_with_mark(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(codecs.BOM_UTF8)) == codecs.BOM_UTF8


def _suffix(source: str) -> str:
    path = Path(source.partition(_SHEET)[0])
    return Path(path.stem).suffix.lower() if path.suffix in _COMPRESSED else path.suffix.lower()


def _lines_of_file(file: io.BufferedReader, path: Path, offset: int) -> Iterator[Lines]:
    """Yields blocks of whole lines that say where they stand in a plain file."""
    first = 1
    while True:
        size, lines = _stretch(file, offset)
        if not size:
            return
        yield Lines(first, offset, size, path=str(path))
        first += lines
        offset += size


def _stretch(file: io.BufferedReader, offset: int) -> tuple[int, int]:
    """Returns the size of a block that starts at `offset`, and how many line feeds it holds."""
    file.seek(offset)
    piece = bytearray(_PIECE)  # one for all, for fresh memory costs more than what is done with it
    size = lines = whole = 0
    while size < BLOCK_BYTES or not whole:
        found = file.readinto(piece)
        if not found:
            return size, lines
        lines += int(np.count_nonzero(np.frombuffer(piece, np.uint8, found) == _LINE_FEED))
        end = piece.rfind(b"\n", 0, found) + 1
        whole = size + end if end else whole
        size += found
    return whole, lines


def _lines_of_stream(stream: io.BufferedReader, source: decompress.Reader) -> Iterator[Block]:
    """Yields blocks of whole lines with their bytes, and what is left where the source is damaged."""
    first, offset, rest = 1, 0, b""
    while chunk := stream.read(BLOCK_BYTES):
        cut = chunk.rfind(b"\n") + 1
        if not cut:
            rest += chunk
            continue
        data, rest = rest + chunk[:cut], chunk[cut:]
        yield Lines(first, offset, len(data), data)
        first += data.count(b"\n")
        offset += len(data)
    if source.damage:
        yield _damaged(first, source.damage, rest, offset)
    elif rest:
        yield Lines(first, offset, len(rest), rest)


def _json_values(stream: io.BufferedReader) -> Iterator[Values]:
    first = 1
    for found in boundaries(stream):
        yield Values(first, found)
        first += len(found)


def _in_blocks(found: Iterator[Numbered]) -> Iterator[Rows]:
    while rows := list(islice(found, BLOCK_ROWS)):
        yield Rows(rows[0].number, rows)


def _to_the_damage(
    found: Iterator[Rows] | Iterator[Values], stream: decompress.Reader
) -> Iterator[Block]:
    """Yields blocks, and a row that says so if the compressed data ended before its end."""
    last = 0
    for block in found:
        yield block
        last = block.last
    if stream.damage:
        yield _damaged(last + 1, stream.damage, b"", None)


def _damaged(number: int, damage: str, raw: bytes, offset: int | None) -> Rows:
    error = BadRecord("truncated-input", f"all that follows is lost: {damage}")
    return Rows(number, [Numbered(number, None, error, raw, offset)])


def _arrow(source: str, head: bytes, file: IO[bytes]) -> Iterator[pa.RecordBatch]:
    import pyarrow.parquet as pq

    file.seek(0)
    try:
        if head.startswith(_PARQUET):
            # buffered ahead, the whole file would stay in memory until its last batch is read
            parquet = pq.ParquetFile(file, pre_buffer=False)
            yield from parquet.iter_batches(batch_size=BLOCK_ROWS)
        elif head.startswith(_ARROW):
            opened = pa.ipc.open_file(file)
            yield from (opened.get_batch(i) for i in range(opened.num_record_batches))
        else:
            yield from pa.ipc.open_stream(file)
    except pa.ArrowException as error:
        raise InputError(f"{source}: damaged Arrow or Parquet data: {error}") from error


def _numbered_records(batches: Iterator[pa.RecordBatch]) -> Iterator[Block]:
    first = 1
    for batch in batches:
        yield Records(first, batch)
        first += batch.num_rows
