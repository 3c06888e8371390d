"""What `max_length` does to rendered pairs: which are dropped, what is cut, what is left the same.

Both sides of a pair keep one prompt, so chosen and rejected are always judged after the same context.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from prefdata.tokens.render import TOKENS

Truncation: TypeAlias = Literal["drop", "keep_start", "keep_end"]
Lengths: TypeAlias = NDArray[np.int64]
Flags: TypeAlias = NDArray[np.bool_]

TOO_LONG = "too-long"


class Truncated(NamedTuple):
    """Pairs that are left, and the ids of those that are not, by reason."""

    table: pa.Table
    dropped: dict[str, list[str]]


class _Cut(NamedTuple):
    """Tokens kept of one column: of row i, `length[i]` tokens from token `start[i]`."""

    start: Lengths
    length: Lengths


def truncate(table: pa.Table, max_length: int, truncation: Truncation) -> Truncated:
    """Returns the pairs of `table` (schema `TOKENS`) as a run with `max_length` reads them.

    `drop` drops a pair with a side of more than `max_length` tokens, prompt included. `keep_start` cuts
    the end of each side, so a prompt that fills `max_length` leaves no completion. `keep_end` cuts the
    start of the prompt until the longer side fits, then the start of a completion; one token of the
    prompt always stays, because the first token of a text cannot be predicted.

    Args:
        table: rendered pairs.
        max_length: tokens of prompt + completion, at least 2.
        truncation: what happens to a longer side.
    """
    parts = []
    dropped: list[str] = []
    for batch in table.to_batches():
        kept = fits(batch, max_length) if truncation == "drop" else np.ones(len(batch), np.bool_)
        dropped += batch["id"].filter(pa.array(~kept)).to_pylist()
        parts.append(cut_batch(batch.filter(pa.array(kept)), max_length, truncation))
    reasons = {TOO_LONG: dropped} if dropped else {}
    return Truncated(pa.Table.from_batches(parts, TOKENS), reasons)


def side_lengths(batch: pa.RecordBatch) -> tuple[Lengths, Lengths, Lengths]:
    """Returns how many tokens prompt, chosen and rejected of each pair have."""
    return (
        token_counts(batch["prompt_ids"]),
        token_counts(batch["chosen_ids"]),
        token_counts(batch["rejected_ids"]),
    )


def token_counts(column: pa.ListArray) -> Lengths:
    """Returns how many tokens each row of a column holds."""
    counts: Lengths = np.diff(column.offsets.to_numpy()).astype(np.int64)
    return counts


def fits(batch: pa.RecordBatch, max_length: int) -> Flags:
    """Returns where both sides have at most `max_length` tokens, prompt included."""
    prompt, chosen, rejected = side_lengths(batch)
    fitting: Flags = prompt + np.maximum(chosen, rejected) <= max_length
    return fitting


def cut_batch(batch: pa.RecordBatch, max_length: int, truncation: Truncation) -> pa.RecordBatch:
    """Returns the batch with every column cut; rows are never dropped here."""
    if truncation == "drop" or fits(batch, max_length).all():
        return batch
    cut = _keep_start if truncation == "keep_start" else _keep_end
    cuts = cut(*side_lengths(batch), max_length)
    columns = [_slice(batch[name], cut) for name, cut in zip(TOKENS.names[1:], cuts, strict=True)]
    return pa.RecordBatch.from_arrays([batch["id"], *columns], schema=TOKENS)


def _keep_start(
    prompt: Lengths, chosen: Lengths, rejected: Lengths, max_length: int
) -> tuple[_Cut, _Cut, _Cut]:
    start = np.zeros_like(prompt)
    kept = np.minimum(prompt, max_length)
    room = max_length - kept
    return (
        _Cut(start, kept),
        _Cut(start, np.minimum(chosen, room)),
        _Cut(start, np.minimum(rejected, room)),
    )


def _keep_end(
    prompt: Lengths, chosen: Lengths, rejected: Lengths, max_length: int
) -> tuple[_Cut, _Cut, _Cut]:
    room = max_length - np.minimum(prompt, 1)
    sides = [np.minimum(side, room) for side in (chosen, rejected)]
    kept = np.minimum(prompt, max_length - np.maximum(*sides))
    return (
        _Cut(prompt - kept, kept),
        _Cut(chosen - sides[0], sides[0]),
        _Cut(rejected - sides[1], sides[1]),
    )


def _slice(column: pa.ListArray, cut: _Cut) -> pa.ListArray:
    """Returns the kept tokens of every row, gathered in one step."""
    offsets = np.zeros(len(column) + 1, dtype=np.int64)
    np.cumsum(cut.length, out=offsets[1:])
    first = column.offsets.to_numpy()[:-1] + cut.start
    gather = np.arange(offsets[-1]) + np.repeat(first - offsets[:-1], cut.length)
    values = column.values.to_numpy()[gather]
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(values))
