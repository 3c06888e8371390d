"""The file of a token store: one Arrow record batch, so that a column is one array in mapped memory.

Batches arrive one by one and leave memory at once: their ids go to unnamed files beside the target,
which vanish with the process, and from there into the Arrow file when all are there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import numpy as np
import pyarrow as pa
import xxhash
from numpy.typing import NDArray

from prefdata.errors import InputError
from prefdata.tokens.render import TOKENS

_MOST_TOKENS = (1 << 31) - 1  # of a column in one record batch: its offsets are int32
_ABOUT = b"prefalign"


def write_tokens(path: Path, batches: Iterable[pa.RecordBatch], about: Mapping[str, Any]) -> None:
    """Writes batches of schema `TOKENS` to an Arrow file, with facts about them.

    Args:
        path: the file, written in place.
        batches: read once, one after another.
        about: JSON-able facts, looked at when all batches are read; `content`, a hash of pair ids and token ids that does not see how they
            were batched, and `longest`, the tokens of the longest prompt + completion, are added.

    Raises:
        OSError: the file system refuses.
    """
    with ExitStack() as stack:
        ids: list[pa.StringArray] = []
        columns = [
            _Column(stack.enter_context(TemporaryFile(dir=path.parent))) for _ in TOKENS.names[1:]
        ]
        for batch in batches:
            ids.append(batch["id"])
            for column, name in zip(columns, TOKENS.names[1:], strict=True):
                column.append(batch[name])
        names = pa.chunked_array(ids, pa.string()).combine_chunks()
        facts = {**about, "content": _content(names, columns), "longest": _longest(columns)}
        schema = TOKENS.with_metadata({_ABOUT: json.dumps(facts)})
        sink = stack.enter_context(pa.OSFile(str(path), "wb"))
        writer = stack.enter_context(pa.ipc.new_file(sink, schema))
        for start, stop in _parts([column.offsets() for column in columns]):
            lists = [column.array(start, stop) for column in columns]
            part = [names[start:stop], *lists]
            writer.write_batch(pa.RecordBatch.from_arrays(part, schema=schema))


def read_tokens(path: Path) -> tuple[pa.Table, dict[str, Any]]:
    """Returns a file's table, memory-mapped, and the facts about it.

    Raises:
        InputError: the file is not one that `write_tokens` has written.
    """
    try:
        table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
        about: dict[str, Any] = json.loads(table.schema.metadata[_ABOUT])
    except (pa.ArrowInvalid, OSError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: not a token store: {error}", hint=f"rm {path}") from error
    return table.replace_schema_metadata(None), about


class _Column:
    """Token lists on their way: ids in a file, lengths in memory."""

    def __init__(self, spool: IO[bytes]) -> None:
        self._spool = spool
        self._lengths: list[NDArray[np.int64]] = []
        self.hasher = xxhash.xxh3_128()

    def append(self, lists: pa.ListArray) -> None:
        values = lists.flatten().to_numpy()
        self._lengths.append(lists.value_lengths().to_numpy().astype(np.int64))
        self._spool.write(values.data)
        self.hasher.update(values.data)

    def lengths(self) -> NDArray[np.int64]:
        """(P,) tokens of each list."""
        return np.concatenate([np.empty(0, np.int64), *self._lengths])

    def offsets(self) -> NDArray[np.int64]:
        """(P + 1,) from 0 to all tokens."""
        return np.concatenate([np.zeros(1, np.int64), np.cumsum(self.lengths())])

    def array(self, start: int, stop: int) -> pa.ListArray:
        """Returns the lists of some pairs; their ids stay in the file."""
        offsets = self.offsets()
        first, last = offsets[start], offsets[stop]
        self._spool.flush()
        values = (
            np.memmap(self._spool, np.int32, "r", 4 * int(first), (int(last - first),))
            if last > first
            else np.empty(0, np.int32)
        )
        relative = (offsets[start : stop + 1] - first).astype(np.int32)
        return pa.ListArray.from_arrays(pa.array(relative), pa.array(values))


def _content(names: pa.StringArray, columns: Iterable[_Column]) -> str:
    hasher = xxhash.xxh3_128(json.dumps(names.to_pylist()).encode())
    for column in columns:
        hasher.update(column.hasher.digest())
        hasher.update(column.lengths().data)
    return hasher.hexdigest()


def _longest(columns: Iterable[_Column]) -> int:
    prompt, chosen, rejected = (column.lengths() for column in columns)
    return int((prompt + np.maximum(chosen, rejected)).max(initial=0))


def _parts(offsets: list[NDArray[np.int64]]) -> Iterator[tuple[int, int]]:
    """Yields ranges of pairs of which no column has more tokens than a record batch takes."""
    start, pairs = 0, len(offsets[0]) - 1
    while start < pairs:
        stop = min(
            int(np.searchsorted(column, column[start] + _MOST_TOKENS, side="right")) - 1
            for column in offsets
        )
        yield start, stop
        start = stop
