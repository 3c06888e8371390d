"""The canonical pairs of a source, one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from prefdata.errors import BadRecord, FormatError
from prefdata.formats import LAYOUTS, Layout, Options
from prefdata.frame import PAIRS, votes
from prefdata.io.numbered import Numbered
from prefdata.io.read import blocks
from prefdata.types import Message, Messages, Origin, Pair

if TYPE_CHECKING:
    import polars as pl

_BATCH_ROWS = 1024
_PLAIN = (
    *("tools", "chat_template_kwargs", "chosen_score", "rejected_score", "margin"),
    *("chosen_model", "rejected_model", "chosen_first"),
)


class PairSource(NamedTuple):
    """A set of pairs that can be read several times.

    Attributes:
        name: what the person calls it.
        sha256: of its file, or None.
        pairs: begins a new reading.
    """

    name: str
    sha256: str | None
    pairs: Callable[[], Iterator[Pair]]


def frame_pairs(frame: pl.DataFrame) -> Iterator[Pair]:
    """Yields the pairs of a frame with the canonical columns."""
    return map(_as_pair, frame.iter_rows(named=True))


def is_canonical(path: Path) -> bool:
    """Tells whether a file is Parquet with exactly the columns that `prefdata convert` writes."""
    with path.open("rb") as file:
        if file.read(4) != b"PAR1":
            return False
    try:
        return bool(pq.read_schema(path).equals(PAIRS))
    except (pa.ArrowException, OSError):
        return False  # the reader of all containers says what is wrong with it


def _parquet_pairs(path: Path, progress: Callable[[int], None]) -> Iterator[Pair]:
    """Yields the pairs of a file whose types say that they are ours, without looking at each."""
    file = pq.ParquetFile(path, pre_buffer=False)  # else all of it stays in memory
    total, done, size = file.metadata.num_rows, 0, path.stat().st_size
    for batch in file.iter_batches(_BATCH_ROWS):
        yield from map(_as_pair, batch.to_pylist())
        done += batch.num_rows
        progress(size * done // total)


def _as_pair(row: Mapping[str, Any]) -> Pair:
    """Returns a row of the canonical columns as a pair."""
    return Pair(
        prompt=_messages(row["prompt"]),
        chosen=_messages(row["chosen"]),
        rejected=_messages(row["rejected"]),
        images=None if row["images"] is None else tuple(row["images"]),
        votes=votes(row["votes"]),
        meta=msgspec.json.decode(row["meta"]),
        origin=Origin(row["source"], row["file"], row["row"]),
        **{name: row[name] for name in _PLAIN},
    )


def _messages(rows: list[dict[str, Any]]) -> Messages:
    return tuple([Message(**row) for row in rows])


def canonical_pairs(
    source: str, path: Path | None, progress: Callable[[int], None] = lambda _: None
) -> Iterator[Pair]:
    """Yields the pairs that `prefdata convert` has written, in their order.

    Args:
        source: what the person named, for messages.
        path: the file; None for a hub dataset.
        progress: called with the bytes read so far.

    Raises:
        InputError: the source cannot be read.
        FormatError: a row is no canonical pair; the hint is the conversion to run.
    """
    if path is not None and is_canonical(path):
        try:
            yield from _parquet_pairs(path, progress)
        except (TypeError, msgspec.MsgspecError) as error:
            raise _not_canonical(source, f"{source}: {error}") from error
        return
    layout = LAYOUTS.get("canonical")
    for block in blocks(source, path, progress=progress):
        for row in block.rows():
            if row.record is not None or row.error is not None:
                yield _pair(row, layout, source)


def _pair(row: Numbered, layout: Layout, source: str) -> Pair:
    try:
        if row.error is not None:
            raise row.error
        if layout.recognise(row.record):
            # the canonical layout reads pairs
            return cast("Pair", next(layout.read(row.record, Options())))
        fault = "not a canonical pair"
    except BadRecord as error:
        fault = f"{error.rule}: {error}"
    raise _not_canonical(source, f"{source}:{row.number}: {fault}")


def _not_canonical(source: str, fault: str) -> FormatError:
    return FormatError(fault, hint=f"prefdata convert {source} -o pairs.parquet")
