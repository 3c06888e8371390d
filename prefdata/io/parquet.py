"""Parquet in parts: each part is encoded by itself, and the parts become one file without decoding.

A Parquet file is `PAR1`, the pages of its row groups, a footer that says where they are, the length
of the footer, and `PAR1`. So the pages of several files can stand one after the other under one
footer, once the offsets in it are moved: no page is decoded, compressed or even copied twice.

Source: apache/parquet-format, README.md and parquet.thrift (FileMetaData, RowGroup, ColumnChunk).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from prefdata.io.thrift import I16, I64, LIST, Reader, Struct, written

MAGIC = b"PAR1"

_ROWS, _ROW_GROUPS = 3, 4  # of FileMetaData
_COLUMNS, _GROUP_OFFSET, _ORDINAL = 1, 5, 7  # of RowGroup
_CHUNK_OFFSETS, _COLUMN_META = (2, 4, 6), 3  # of ColumnChunk: chunk, offset index, column index
_PAGE_OFFSETS = (9, 10, 11, 14)  # of ColumnMetaData: data, index, dictionary, bloom filter
_MOST_ORDINALS = 1 << 15  # RowGroup.ordinal is an i16, and optional


class Part(NamedTuple):
    """A table as Parquet: its pages, which start at byte 4 of a file of their own, and its footer."""

    pages: memoryview
    footer: bytes


def encode(table: pa.Table) -> Part:
    """Returns `table` as one row group; zstd level 1 is the knee of size against time.

    Only columns with few different values get a dictionary: for the others Parquet would hash every
    text, find too many, and start again without.
    """
    sink = pa.BufferOutputStream()
    pq.write_table(
        table,
        sink,
        compression="zstd",
        compression_level=1,
        write_statistics=False,
        use_dictionary=list(_few_values(table.schema)),
        row_group_size=max(table.num_rows, 1),
    )
    data = memoryview(sink.getvalue())
    start = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    return Part(data[len(MAGIC) : start], bytes(data[start:-8]))


def footer(parts: Sequence[tuple[int, bytes]]) -> bytes:
    """Returns the end of the file in which the pages of `parts` stand.

    Args:
        parts: where the pages of each part start in the file, and the part's footer; at least one.
    """
    whole: Struct = {}
    groups: list[Struct] = []
    rows = 0
    for position, data in parts:
        found = Reader(data).struct()
        whole = whole or found
        rows += found[_ROWS][1]
        for group in found[_ROW_GROUPS][1][1]:
            groups.append(_moved(group, position - len(MAGIC), len(groups)))
    whole[_ROWS] = (I64, rows)
    whole[_ROW_GROUPS] = (LIST, (whole[_ROW_GROUPS][1][0], groups))
    data = written(whole)
    return data + len(data).to_bytes(4, "little") + MAGIC


def _moved(group: Struct, by: int, ordinal: int) -> Struct:
    _move(group, (_GROUP_OFFSET,), by)
    if ordinal < _MOST_ORDINALS:
        group[_ORDINAL] = (I16, ordinal)
    else:
        group.pop(_ORDINAL, None)
    for chunk in group[_COLUMNS][1][1]:
        _move(chunk, _CHUNK_OFFSETS, by)
        _move(chunk[_COLUMN_META][1], _PAGE_OFFSETS, by)
    return dict(sorted(group.items()))


def _move(struct: Struct, offsets: Sequence[int], by: int) -> None:
    for number in offsets:
        if number in struct and struct[number][1]:  # 0 stands for no offset
            kind, offset = struct[number]
            struct[number] = (kind, offset + by)


_FEW = ("role", "source", "file", "meta", "tools", "choice", "tie_kind", "annotator")


def _few_values(schema: pa.Schema) -> Iterator[str]:
    """Yields the paths of the columns worth a dictionary."""
    for field in schema:
        for path in _leaves(field.name, field.type):
            name = path.rpartition(".")[2]
            if name in _FEW or name.endswith("_model") or name == "model":
                yield path


def _leaves(path: str, kind: pa.DataType) -> Iterator[str]:
    if pa.types.is_list(kind):
        yield from _leaves(f"{path}.list.element", kind.value_type)
    elif pa.types.is_struct(kind):
        for field in kind:
            yield from _leaves(f"{path}.{field.name}", field.type)
    else:
        yield path
