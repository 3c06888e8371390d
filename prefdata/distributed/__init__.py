"""Where a set outgrows a machine: rules, curation, near-duplicates and splits as functions of Arrow tables.

All are pure and picklable, take a `pyarrow.Table` and their settings, and return a table whose schema
depends on the settings alone, so they run as they are under Ray Data (`map_batches`), Daft and Spark
(`mapInArrow`); benchmarks/scale.md has an example for each. There are three kinds:

    any batch, rows in any order      rules.broken, curation.keys, near.keys, near.documents,
                                      splitting.keys, and every `apply`
    a part of the candidates          near.verify
    the keys of all batches at once   every `resolve`, near.candidates, near.clusters: no texts, but a
                                      few bytes a pair, in one place

What comes out is what the command of the same name gives on one machine, in some order of rows:

    rules        broken                                              prefdata check
    curation     keys, resolve, apply                                prefdata curate, any plan
    near         keys, candidates, documents, verify, resolve, and   a plan of `dedup` with `how: near`
                 curation.apply
    splitting    keys, resolve, apply                                prefdata split; with near.clusters,
                                                                     `--by near`

Two things must be the same on all machines: the version of polars, whose hashes some keys are, and the
place of a pair (`source`, `file`, `row`, `id`), by which `apply` knows it again. Tables hold no unsigned
numbers and no large offsets, which not every engine knows; hashes are int64 with the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import pyarrow as pa

Batches = Iterable[pa.RecordBatch]


def per_batch(
    function: Callable[..., pa.Table], *settings: Any
) -> Callable[[Batches], Iterator[pa.RecordBatch]]:
    """Returns `function` over an iterator of record batches, as Spark's `mapInArrow` wants it.

    Args:
        function: of a table and `settings`, that looks at one batch at a time.
        settings: what it takes after the table.
    """
    return partial(_each, function, settings)


def _each(
    function: Callable[..., pa.Table], settings: tuple[Any, ...], batches: Batches
) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        yield from function(pa.Table.from_batches([batch]), *settings).to_batches()
