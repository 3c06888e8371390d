"""The engines of benchmarks.scale: each runs a function of tables over the batches of a Parquet file."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from typing import Any, Protocol, TypeAlias

import pyarrow as pa

from benchmarks.report import cores
from prefdata.distributed import per_batch

Function: TypeAlias = Callable[..., pa.Table]


class Engine(Protocol):
    """A set under an engine."""

    def __call__(self, function: Function, schema: pa.Schema, *settings: Any) -> pa.Table:
        """Returns what `function` returns for all batches, a table of `schema`."""


@contextmanager
def ray_data(path: Path) -> Iterator[Engine]:
    """Ray Data: `map_batches`."""
    import ray

    logging.getLogger("ray.data").setLevel(logging.ERROR)
    ray.init(num_cpus=cores(), include_dashboard=False, log_to_driver=False, logging_level="error")
    ray.data.DataContext.get_current().enable_progress_bars = False
    pairs = ray.data.read_parquet(str(path))

    def over(function: Function, schema: pa.Schema, *settings: Any) -> pa.Table:
        found = pairs.map_batches(function, batch_format="pyarrow", fn_args=settings)
        tables = [table for table in ray.get(found.to_arrow_refs()) if table.num_rows]
        return pa.concat_tables([schema.empty_table(), *(t.cast(schema) for t in tables)])

    yield over
    ray.shutdown()


@contextmanager
def daft(path: Path) -> Iterator[Engine]:
    """Daft: a batch function over all columns.

    It must return one cell a row, so the first holds all rows of the answer.
    """
    import daft

    pairs = daft.read_parquet(str(path)).into_batches(20_000)
    columns = [daft.col(name) for name in pairs.column_names]

    def over(function: Function, schema: pa.Schema, *settings: Any) -> pa.Table:
        answer = pa.list_(pa.struct(list(schema)))

        @daft.func.batch(return_dtype=daft.DataType.from_arrow_type(answer))
        def call(*given: daft.Series) -> pa.Array:
            batch = pa.table({column.name(): column.to_arrow() for column in given})
            rows = function(batch, *settings).to_struct_array().combine_chunks()
            return pa.ListArray.from_arrays([0, *[len(rows)] * len(batch)], rows)

        found = pairs.select(call(*columns).alias("row")).explode("row")
        rows = found.where(daft.col("row").not_null()).select(daft.col("row").unnest())
        return rows.to_arrow().cast(schema)

    yield over


@contextmanager
def spark(path: Path) -> Iterator[Engine]:
    """Spark: `mapInArrow`."""
    from pyspark.sql import SparkSession
    from pyspark.sql.pandas.types import from_arrow_schema

    os.environ["PYSPARK_PYTHON"] = sys.executable
    session = (
        SparkSession.builder.master(f"local[{cores()}]")
        .config("spark.driver.memory", "4g")
        .config("spark.ui.enabled", "false")
        .config("spark.log.level", "ERROR")
        .getOrCreate()
    )
    pairs = session.read.parquet(str(path))

    def over(function: Function, schema: pa.Schema, *settings: Any) -> pa.Table:
        found = pairs.mapInArrow(per_batch(function, *settings), from_arrow_schema(schema))
        return found.toArrow().cast(schema)

    yield over
    session.stop()


ENGINES: dict[str, Callable[[Path], AbstractContextManager[Engine]]] = {
    "ray": ray_data,
    "daft": daft,
    "pyspark": spark,
}


def missing(engine: str) -> str | None:
    """Returns why an engine cannot run here, None where it can."""
    if find_spec(engine) is None:
        return f"{engine} is not installed"
    if engine == "pyspark" and which("java") is None:
        return "pyspark needs Java"
    return None
