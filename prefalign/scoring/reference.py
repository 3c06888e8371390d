"""Log-probs of completions, computed once and kept: first of all those of the reference.

A completion, or a tail of one, is known by its tokens and those before it, under the model's weights and the precision
they are multiplied in. Nothing else is part of the key: another learning rate, another output
directory, other epochs or a subset of the pairs compute nothing, and added pairs only themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
import xxhash
from accelerate import PartialState
from accelerate.utils import broadcast_object_list, gather_object
from numpy.typing import NDArray

from prefalign.cache import cache_dir, once
from prefalign.data.dataset import PairDataset
from prefalign.engine.logps import without_adapters
from prefalign.models.loading import Precision
from prefalign.score import Progress, score_frame, score_share
from prefdata.errors import InputError

if TYPE_CHECKING:
    import polars as pl

_NAME = pa.binary(16)
_PASSES = 256  # of a process between two writes


def reference_scores(
    model: Any,
    data: PairDataset,
    *,
    digest: str,
    with_adapters: bool = False,
    micro_batch_size: int,
    device: torch.device,
    precision: Precision,
    progress: Progress | None = None,
    warn: Callable[[str], None] = lambda _: None,
) -> pl.DataFrame:
    """Returns the scores (see `prefalign.score.score`) of `model` as it starts.

    Args:
        model: the start of the training, on `device`.
        data: the pairs, in a layout that `model` is ready for.
        digest: `prefalign.models.weights.weights_digest` of that start.
        with_adapters: adapters are part of it; new ones are not, and are switched off meanwhile.
        micro_batch_size: pairs per forward pass of one process.
        device: where the model is.
        precision: of the forward pass.
        progress: called with the number of pairs this process has done.
        warn: called with a sentence where the scores are there and cannot be written down.
    """
    with nullcontext() if with_adapters else without_adapters(model):
        return kept_scores(
            model, data, digest=digest, micro_batch_size=micro_batch_size, device=device,
            precision=precision, progress=progress, warn=warn,
        )  # fmt: skip


def kept_scores(
    model: Any,
    data: PairDataset,
    *,
    digest: str,
    micro_batch_size: int,
    device: torch.device,
    precision: Precision,
    progress: Progress | None = None,
    warn: Callable[[str], None] = lambda _: None,
) -> pl.DataFrame:
    """Returns the scores (see `prefalign.score.score`) of `model` as it is.

    All processes call this together: the work is shared, every one returns the whole frame, and one
    writes it down, part by part, so that a process that is killed loses the part at hand.

    Args:
        model: on `device`.
        data: the pairs, in a layout that `model` is ready for.
        digest: names the weights, adapters included if they are on.
        micro_batch_size: pairs per forward pass of one process.
        device: where the model is.
        precision: of the forward pass.
        progress: called with the number of pairs this process has done.
        warn: called with a sentence where the scores are there and cannot be written down.
    """
    store = _Store(digest, precision)
    found = [store.read(data) if PartialState().is_main_process else None]
    broadcast_object_list(found)
    logps: NDArray[np.float64] = found[0]  # type: ignore[assignment]
    for places in _parts(len(data), micro_batch_size * PartialState().num_processes):
        missing = places[np.isnan(logps[places]).any(axis=1)]
        if len(missing) == 0:
            continue
        share = score_share(
            model, data, places=missing, micro_batch_size=micro_batch_size, device=device,
            precision=precision, rank=PartialState().process_index,
            processes=PartialState().num_processes, progress=progress,
        )  # fmt: skip
        logps[missing] = in_store_order(gather_object([share]))
        if PartialState().is_main_process:
            try:
                store.add(data, missing, logps)
            except InputError as error:  # what took an hour is not lost for want of room
                warn(f"log-probs are not kept: {error.message}; {error.hint}")
    if PartialState().is_main_process:
        store.join()
    return score_frame(data, logps)


def _parts(pairs: int, at_once: int) -> Iterator[NDArray[np.int64]]:
    """Yields the places that are computed before the next ones are begun.

    Where a part ends does not depend on what is known already, so that what is computed after an
    interruption is computed in the same company, and rounded alike.
    """
    size = _PASSES * at_once
    for start in range(0, pairs, size):
        yield np.arange(start, min(start + size, pairs))


def in_store_order(
    shares: list[tuple[NDArray[np.int64], NDArray[np.float64]]],
) -> NDArray[np.float64]:
    """Returns the rows of all processes' shares (places, rows), sorted by place."""
    places, rows = (np.concatenate(parts) for parts in zip(*shares, strict=True))
    ordered: NDArray[np.float64] = rows[np.argsort(places)]
    return ordered


class _Store:
    """Log-probs by completion: one file for each time that some were missing.

    A file is named after the hash of what is in it, so that one flipped bit is enough to tell.
    """

    def __init__(self, digest: str, precision: Precision) -> None:
        self.added: list[Path] = []
        self.directory = cache_dir("reference")
        self.model = xxhash.xxh3_64_hexdigest(f"{digest} {precision}".encode())

    def read(self, data: PairDataset) -> NDArray[np.float64]:
        """Returns (P, C) log-probs of each pair's completions and tails; NaN for those not known."""
        known: dict[bytes, float] = {}
        for path in sorted(self.directory.glob(f"{self.model}-*.parquet")):
            known |= _load(path)
        rows = _names(data, np.arange(len(data)))
        values = [[known.get(name, np.nan) for name in row] for row in rows]
        return np.array(values, np.float64)

    def add(self, data: PairDataset, places: NDArray[np.int64], logps: NDArray[np.float64]) -> None:
        """Writes the finite log-probs of `places` (of P) down, in a file of their own."""
        names = [name for row in _names(data, places) for name in row]
        values = dict(zip(names, logps[places].ravel().tolist(), strict=True))
        self._write({name: value for name, value in values.items() if np.isfinite(value)})

    def join(self) -> None:
        """Makes one file of those that were added."""
        if len(self.added) < 2:
            return
        parts, self.added = self.added, []
        values: dict[bytes, float] = {}
        for part in parts:
            values |= _load(part)
        with suppress(InputError):  # the parts stay
            self._write(values)
            for part in parts:
                part.unlink()
                part.with_name(f"{part.name}.lock").unlink(missing_ok=True)

    def _write(self, values: dict[bytes, float]) -> None:
        columns = [pa.array(values, _NAME), pa.array(values.values(), pa.float64())]
        table = pa.table(columns, names=["completion", "logps"])
        path = self.directory / f"{self.model}-{_content(table)}.parquet"
        once(path, lambda path: pq.write_table(table, path, write_page_checksum=True))
        self.added.append(path)


def _names(data: PairDataset, places: NDArray[np.int64]) -> Iterator[list[bytes]]:
    """Yields the names of each pair's completions and tails.

    They are hashes of the tokens of prompt and completion, and of where each of the two begins and, if
    it is not at once, the tail.
    """
    shorter = np.minimum(data.scored_tokens(0), data.scored_tokens(1))
    for place in places:
        prompt = data.prompts[place].tobytes()
        marks = [b"%d " % len(prompt)]
        if data.tails:
            marks.append(b"%d+%d " % (len(prompt), shorter[place]))
        yield [
            xxhash.xxh3_128_digest(mark + prompt + side[place].tobytes())
            for mark in marks
            for side in data.sides
        ]


def _load(path: Path) -> dict[bytes, float]:
    """Returns the log-probs in a file; deletes one whose content is not what its name says."""
    try:
        table = pq.read_table(path, page_checksum_verification=True)
        if path.stem.endswith(f"-{_content(table)}"):
            names, logps = (column.to_pylist() for column in table.columns)
            return dict(zip(names, logps, strict=True))
    except (pa.ArrowException, OSError, ValueError):
        pass
    with suppress(OSError):
        path.unlink()
    return {}


def _content(table: pa.Table) -> str:
    """Returns a hash of all names and log-probs, 16 hex digits."""
    digest = xxhash.xxh3_64(str(table.schema.remove_metadata()).encode())
    for column in table.combine_chunks().columns:
        digest.update(column.chunk(0).buffers()[1] if len(table) else b"")
    return digest.hexdigest()
