"""One block to the tables of what its rows became: the unit of work of a conversion."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct

from prefdata import frame
from prefdata.converting.account import Accountant
from prefdata.converting.batch import Batch, Gathered
from prefdata.converting.join import Joiner, Used
from prefdata.converting.ledger import Ledger
from prefdata.converting.options import ConvertOptions, Source
from prefdata.converting.quarantine import Quarantined
from prefdata.io.blocks import Block, Lines, Records, of_line
from prefdata.io.numbered import Numbered
from prefdata.io.partial import Encoded, encode
from prefdata.io.write import without_nulls
from prefdata.quick import Twin, find_twin
from prefdata.quick.written import as_pairs, unchanged

_WRITTEN = "canonical"  # the layout of what prefdata has written
_BATCH_BYTES = 3 << 20  # as many as fit the processor's cache, more or less


class Converted(Struct, frozen=True):
    """What became of a block: tables of `prefdata.frame`, and the account of its rows.

    `gathered` waits for the other rows of its groups; `joined` are the rows of other files that its
    rows have found.
    """

    pairs: pa.Table
    ties: pa.Table
    unpaired: pa.Table
    quarantine: list[Quarantined]
    gathered: list[Gathered]
    joined: list[Used]
    ledger: Ledger


class Bytes(Struct, frozen=True):
    """What became of a block, as it stands in the output files, by their names."""

    parts: dict[str, Encoded]
    ledger: Ledger


def convert_block(block: Block, source: Source, options: ConvertOptions) -> Converted:
    """Converts the rows of a block; depends on nothing but its arguments."""
    with _no_collection(), Joiner(options.joins) as joiner:
        accountant = Accountant(source, options, joiner)
        plain = None
        if not options.joins:
            plain = _take_plain(block, source.home, accountant)
        if plain is None:
            for item in block.rows():
                accountant.take(item)
        return tables(accountant.batch, accountant.ledger, plain)


def _take_plain(block: Block, home: str | None, accountant: Accountant) -> pa.Table | None:
    """Returns the pairs of the block's plain rows, all others taken; None if there is no quick way."""
    if isinstance(block, Lines) and (twin := find_twin(home)):
        return _take_quickly(block, twin, accountant)
    if isinstance(block, Records) and home == _WRITTEN and (batch := as_pairs(block.batch)):
        return _take_written(block, batch, accountant)
    return None


def _take_written(block: Records, batch: pa.RecordBatch, accountant: Accountant) -> pa.Table:
    """Returns the pairs of the rows that are as prefdata wrote them; the others are taken."""
    good = unchanged(batch)
    if good.any():
        first = int(np.argmax(good))
        example = partial(_record, batch, first)
        accountant.count_plain(int(good.sum()), example, block.first + first)
    for index in np.flatnonzero(~good).tolist():
        accountant.take(Numbered(block.first + index, _record(block.batch, index)))
    return pa.Table.from_batches([batch.filter(pa.array(good))])


def _record(batch: pa.RecordBatch, index: int) -> Any:
    return batch.slice(index, 1).to_pylist()[0]


def _take_quickly(block: Lines, twin: Twin, accountant: Accountant) -> pa.Table:
    """Returns the pairs of the plain lines; the other lines are the accountant's."""
    found = [frame.PAIRS.empty_table()]
    first, offset = block.first, block.offset
    for batch in _batches(block.read()):
        quick = twin(batch)
        found.append(accountant.take_plain(quick, batch, first))
        if len(quick.taken) < quick.lines:
            taken = set(quick.taken)
            for number, line, place in Lines(first, offset, len(batch), batch).lines():
                if number - first not in taken:
                    accountant.take(of_line(number, line, place))
        first += quick.lines
        offset += len(batch)
    return pa.concat_tables(found)


def _batches(data: bytes) -> Iterator[bytes]:
    start = 0
    while start < len(data):
        end = data.find(b"\n", start + _BATCH_BYTES) + 1 or len(data)
        yield data[start:end]
        start = end


def _in_order(plain: pa.Table, others: pa.Table) -> pa.Table:
    """Returns pairs of the same block in the order of their rows."""
    if not others.num_rows or not plain.num_rows:
        return plain if plain.num_rows else others
    both = pa.concat_tables([plain, others]).combine_chunks()
    return both.take(pc.sort_indices(both, [("row", "ascending")]))


def encode_block(
    block: Block, source: Source, options: ConvertOptions, suffix: str, folder: Path | None = None
) -> Bytes:
    """Converts the rows of a block to bytes of .parquet or .jsonl files, put down in `folder`."""
    found = convert_block(block, source, options)
    parts = encoded(found, suffix)
    if folder is not None:
        parts = {name: part.put_down(folder) for name, part in parts.items()}
    return Bytes(parts, found.ledger)


def tables(batch: Batch, ledger: Ledger, plain: pa.Table | None = None) -> Converted:
    """Returns a batch, and the plain pairs of the same rows, as tables; counts the empty answers."""
    pairs = frame.pairs_table(batch.pairs)
    if plain is not None:
        pairs = _in_order(plain, pairs)
    ledger.blank_rejected += _blank(pairs["rejected"])
    return Converted(
        pairs,
        frame.ties_table(batch.ties),
        frame.unpaired_table(batch.unpaired),
        batch.quarantine,
        batch.gathered,
        batch.joined,
        ledger,
    )


def encoded(found: Converted, suffix: str) -> dict[str, Encoded]:
    """Returns the tables that have rows as bytes of .parquet or .jsonl files."""
    tables = {"pairs": found.pairs, "ties": found.ties, "unpaired": found.unpaired}
    lines = {
        "quarantine": [without_nulls(item.as_json()) for item in found.quarantine],
        "gathered": found.gathered,
        "joined": found.joined,
    }
    return {
        **{name: encode(table, suffix) for name, table in tables.items() if table.num_rows},
        **{name: _lines(items) for name, items in lines.items() if items},
    }


def _lines(items: Sequence[object]) -> Encoded:
    return Encoded(b"".join(msgspec.json.encode(item) + b"\n" for item in items), len(items))


def _blank(completions: pa.ChunkedArray) -> int:
    """Returns how many completions are one message of no text."""
    blank = 0
    for chunk in completions.chunks:
        content = chunk.flatten().field("content")
        empty = pc.equal(pc.fill_null(pc.binary_length(content), 1), 0)
        offsets = chunk.offsets.to_numpy() - chunk.offsets[0].as_py()
        single = offsets[:-1][np.diff(offsets) == 1]
        blank += int(np.count_nonzero(empty.to_numpy(zero_copy_only=False)[single]))
    return blank


@contextmanager
def _no_collection() -> Iterator[None]:
    """Keeps the garbage collector away from rows that are all alive: it would double the time."""
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()
