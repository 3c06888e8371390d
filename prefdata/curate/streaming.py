"""A plan over a file that need not fit into memory, in two passes over its batches.

The first pass keeps what the steps decide by, about 40 bytes a pair; the second writes each pair where it
belongs. Steps that decide by whole texts (`Step.by_text`) need `prefdata.curate.run` instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import polars as pl
import polars.selectors as cs
import pyarrow as pa

from prefdata.conversion import read_batches
from prefdata.curate.plan import Plan
from prefdata.curate.run import Verdict, judge, side_car
from prefdata.errors import InputError
from prefdata.frame import PAIRS, to_polars
from prefdata.io.read import Progress
from prefdata.io.write import TableWriter, table_writer

ROWS = 4096  # of a row group, as `prefdata.io.write.write_pairs` writes them
REMOVED = PAIRS.append(pa.field("reason", pa.string()))


def can_stream(source: str, plan: Plan) -> bool:
    """Tells whether a source can be read twice and no step needs its texts in one place."""
    return Path(source).is_file() and not any(step.by_text for step in plan.steps)


def judge_file(
    source: str,
    plan: Plan,
    scores: pl.DataFrame | None = None,
    *,
    progress: Progress = lambda _: None,
) -> Verdict:
    """Returns which pairs of a file a plan removes; a pair's number is its place in the file.

    Raises:
        FormatError: the file holds anything but canonical pairs.
        InputError: the set lacks a score that a step decides by.
    """
    return judge(side_car_of_file(source, plan, scores, progress=progress), plan)


def side_car_of_file(
    source: str,
    plan: Plan,
    scores: pl.DataFrame | None = None,
    *,
    progress: Progress = lambda _: None,
) -> pl.DataFrame:
    """Returns what `prefdata.curate.run.side_car` does, of a file.

    Raises:
        FormatError: the file holds anything but canonical pairs.
    """
    keys = _small(side_car(to_polars(PAIRS.empty_table()), plan, scores))
    for table in read_batches(source, progress=progress):
        keys.vstack(_small(side_car(to_polars(table), plan, scores)), in_place=True)
    pa.default_memory_pool().release_unused()  # what the batches took: judging wants the room
    return keys


def _small(keys: pl.DataFrame) -> pl.DataFrame:
    """Returns a side-car in the same order and in a third of the memory.

    It is a copy: a column that polars takes over from Arrow keeps the whole batch alive.
    """
    ids = cs.binary().bin.reinterpret(dtype=pl.UInt128, endianness="big")
    small = keys.with_columns(ids, pl.col("source", "file").cast(pl.Categorical))
    return small.select(pl.all().gather(pl.int_range(pl.len())))


def write_judged(
    source: str,
    verdict: Verdict,
    kept: Path,
    removed: Path,
    *,
    progress: Progress = lambda _: None,
) -> None:
    """Writes the pairs that stay to `kept`, and the others, if any, with `reason` to `removed`.

    Raises:
        InputError: a file cannot be written, or the source has changed since it was judged.
    """
    start = 0
    with ExitStack() as stack:
        stay = stack.enter_context(_writing(kept, PAIRS))
        go = stack.enter_context(_writing(removed, REMOVED)) if len(verdict.removed) else None
        for table in read_batches(source, progress=progress):
            reasons = verdict.of(start, table.num_rows).to_arrow().cast(pa.string())
            goes = reasons.is_valid()
            stay.write(table.filter(reasons.is_null()))
            if go and reasons.null_count < len(reasons):
                go.write(table.append_column("reason", reasons).filter(goes).cast(REMOVED))
            start += table.num_rows
        if start != verdict.pairs:
            raise InputError(f"{source}: has changed while it was read", hint="run it again")


@contextmanager
def _writing(path: Path, schema: pa.Schema) -> Iterator[_Groups]:
    with table_writer(path, schema) as writer:
        groups = _Groups(writer)
        yield groups
        groups.close()


class _Groups:
    """Writes tables in row groups of one size, however long the tables are."""

    def __init__(self, writer: TableWriter) -> None:
        self._writer = writer
        self._waiting: list[pa.Table] = []

    def write(self, table: pa.Table) -> None:
        """Takes rows, and writes those that fill a group."""
        self._waiting.append(table)
        if sum(part.num_rows for part in self._waiting) >= ROWS:
            together = pa.concat_tables(self._waiting)
            whole = together.num_rows - together.num_rows % ROWS
            for start in range(0, whole, ROWS):
                self._writer.write(together.slice(start, ROWS))
            self._waiting = [together.slice(whole)]

    def close(self) -> None:
        """Writes the rest."""
        rest = pa.concat_tables(self._waiting) if self._waiting else None
        if rest is not None and rest.num_rows:
            self._writer.write(rest)
