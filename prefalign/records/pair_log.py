"""What a model said about each pair at each step, kept while a run goes on, as one Parquet file after it.

While the run goes on the rows are in an Arrow stream beside it: it is appended to, and a process that
is killed in the middle of a write costs the rows of that write and no others.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from prefdata.io.write import atomic

_NATS = pa.float64()
SCHEMA = pa.schema(
    {
        "id": pa.string(),
        "step": pa.int64(),
        "epoch": pa.int64(),
        "chosen_logps": _NATS,
        "rejected_logps": _NATS,
        "ref_chosen_logps": _NATS,
        "ref_rejected_logps": _NATS,
        "chosen_tokens": pa.int64(),
        "rejected_tokens": pa.int64(),
    }
)
"""Log-probs are nats summed over the completion's tokens, those of the untouched model in `ref_` columns.
`epoch` counts the whole passes over the training pairs before."""


class PairLog:
    """Rows of `SCHEMA`, one for each pair and step.

    Args:
        path: of the Parquet file; the stream stands beside it until `close`.
        after: on resume, the step of the checkpoint: later rows are dropped, they come again.
    """

    def __init__(self, path: Path, *, after: int | None = None) -> None:
        self.path = path
        self.stream = path.with_suffix(".arrows")
        kept = [] if after is None else list(_until(after, self._rows()))
        self.step = max((pc.max(part["step"]).as_py() for part in kept), default=0)
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic(self.stream) as temporary:
            # still the same file when it has got its name
            self._file = temporary.open("wb")
            self._writer = pa.ipc.new_stream(self._file, SCHEMA)
            for part in kept:
                self._writer.write_batch(part)
            self._file.flush()
        path.unlink(missing_ok=True)

    def write(self, rows: pa.Table) -> None:
        """Appends rows of later steps; those of a step that is there already are not taken twice.

        Args:
            rows: columns of `SCHEMA`, in any order.
        """
        new = rows.select(SCHEMA.names).cast(SCHEMA).filter(pc.field("step") > self.step)
        if len(new) == 0:
            return
        self._writer.write_table(new)
        self._file.flush()
        self.step = pc.max(new["step"]).as_py()

    def close(self) -> None:
        """Writes the Parquet file, whole or not at all, and removes the stream."""
        self._writer.close()
        self._file.close()
        with atomic(self.path) as temporary:
            pq.write_table(
                pa.Table.from_batches(self._rows(), SCHEMA), temporary, compression="zstd"
            )
        self.stream.unlink()

    def _rows(self) -> Iterator[pa.RecordBatch]:
        """Yields what is there, of a stream that was cut off what is whole."""
        if self.stream.exists():
            with suppress(pa.ArrowInvalid, OSError):
                yield from pa.ipc.open_stream(pa.memory_map(str(self.stream)))
        elif self.path.exists():
            yield from pq.ParquetFile(self.path).iter_batches()


def _until(step: int, parts: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yields the rows up to a step."""
    for part in parts:
        kept = part.filter(pc.less_equal(part["step"], step))
        if len(kept):
            yield kept
