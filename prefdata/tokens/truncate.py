"""What `max_length` does to rendered pairs: which are dropped, what is cut, what is left the same.

Both sides of a pair keep one prompt, so chosen and rejected are always judged after the same context.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from prefdata.tokens.render import TOKENS

if TYPE_CHECKING:
    import polars as pl

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
        kept = _fits(batch, max_length) if truncation == "drop" else np.ones(len(batch), np.bool_)
        dropped += batch["id"].filter(pa.array(~kept)).to_pylist()
        parts.append(_cut_batch(batch.filter(pa.array(kept)), max_length, truncation))
    reasons = {TOO_LONG: dropped} if dropped else {}
    return Truncated(pa.Table.from_batches(parts, TOKENS), reasons)


def token_facts(table: pa.Table, max_length: int, truncation: Truncation) -> pl.DataFrame:
    """Returns one row a pair of `table`, in its order, with what truncation does to it.

    Columns:
        id (String): the pair.
        prompt_tokens, chosen_tokens, rejected_tokens (Int64): before truncation.
        prompt_fills_max_length (Boolean): the prompt alone has `max_length` tokens or more.
        too_long (Boolean): a side of prompt + completion has more than `max_length` tokens; with
            `drop` the pair is not trained on, and nothing of it is cut.
        chosen_cut, rejected_cut (Int64): tokens of the completion that are cut; 0 with `drop`.
        empty_completion (Boolean): a completion has no tokens after truncation.
        identical_rendered (Boolean): chosen and rejected are the same tokens before truncation.
        identical_truncated (Boolean): they are the same tokens after it, so also where both are
            empty. With `drop` this is `identical_rendered`, since nothing is cut.

    Args:
        table: rendered pairs, not truncated (schema `TOKENS`).
        max_length: tokens of prompt + completion, at least 2.
        truncation: as for `truncate`. Trainers other than ours cut with `keep_start`.
    """
    import polars as pl

    frames = [_batch_facts(batch, max_length, truncation) for batch in table.to_batches()]
    empty = _batch_facts(pa.RecordBatch.from_pylist([], TOKENS), max_length, truncation)
    return pl.concat([empty, *frames])


def _batch_facts(batch: pa.RecordBatch, max_length: int, truncation: Truncation) -> pl.DataFrame:
    import polars as pl

    prompt, chosen, rejected = _all_lengths(batch)
    after = _cut_batch(batch, max_length, truncation)
    chosen_after, rejected_after = _lengths(after["chosen_ids"]), _lengths(after["rejected_ids"])
    return pl.DataFrame(
        {
            "id": pl.Series(batch["id"].to_pylist(), dtype=pl.String),
            "prompt_tokens": prompt,
            "chosen_tokens": chosen,
            "rejected_tokens": rejected,
            "prompt_fills_max_length": prompt >= max_length,
            "too_long": ~_fits(batch, max_length),
            "chosen_cut": chosen - chosen_after,
            "rejected_cut": rejected - rejected_after,
            "empty_completion": np.minimum(chosen_after, rejected_after) == 0,
            "identical_rendered": _identical(batch["chosen_ids"], batch["rejected_ids"]),
            "identical_truncated": _identical(after["chosen_ids"], after["rejected_ids"]),
        }
    )


def _all_lengths(batch: pa.RecordBatch) -> tuple[Lengths, Lengths, Lengths]:
    return (
        _lengths(batch["prompt_ids"]),
        _lengths(batch["chosen_ids"]),
        _lengths(batch["rejected_ids"]),
    )


def _lengths(column: pa.ListArray) -> Lengths:
    lengths: Lengths = np.diff(column.offsets.to_numpy()).astype(np.int64)
    return lengths


def _fits(batch: pa.RecordBatch, max_length: int) -> Flags:
    prompt, chosen, rejected = _all_lengths(batch)
    fits: Flags = prompt + np.maximum(chosen, rejected) <= max_length
    return fits


def _cut_batch(batch: pa.RecordBatch, max_length: int, truncation: Truncation) -> pa.RecordBatch:
    """Returns the batch with every column cut; rows are never dropped here."""
    if truncation == "drop" or _fits(batch, max_length).all():
        return batch
    cut = _keep_start if truncation == "keep_start" else _keep_end
    cuts = cut(*_all_lengths(batch), max_length)
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


def _identical(a: pa.ListArray, b: pa.ListArray) -> Flags:
    """Returns where two columns hold the same ids, comparing only rows of equal length."""
    same: Flags = _lengths(a) == _lengths(b)
    rows = np.flatnonzero(same)
    left, right = (column.take(pa.array(rows)) for column in (a, b))
    different = np.concatenate([[0], np.cumsum(left.values.to_numpy() != right.values.to_numpy())])
    offsets = left.offsets.to_numpy()
    same[rows] = different[offsets[1:]] == different[offsets[:-1]]
    return same
