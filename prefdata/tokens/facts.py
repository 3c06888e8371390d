"""What the trainer sees of each pair, as columns of numbers and flags: facts that rules look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from prefdata.tokens.render import TOKENS
from prefdata.tokens.truncate import Flags, Truncation, cut_batch, fits, side_lengths, token_counts

if TYPE_CHECKING:
    import polars as pl


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

    prompt, chosen, rejected = side_lengths(batch)
    after = cut_batch(batch, max_length, truncation)
    chosen_after, rejected_after = (
        token_counts(after["chosen_ids"]),
        token_counts(after["rejected_ids"]),
    )
    return pl.DataFrame(
        {
            "id": pl.Series(batch["id"].to_pylist(), dtype=pl.String),
            "prompt_tokens": prompt,
            "chosen_tokens": chosen,
            "rejected_tokens": rejected,
            "prompt_fills_max_length": prompt >= max_length,
            "too_long": ~fits(batch, max_length),
            "chosen_cut": chosen - chosen_after,
            "rejected_cut": rejected - rejected_after,
            "empty_completion": np.minimum(chosen_after, rejected_after) == 0,
            "identical_rendered": _identical(batch["chosen_ids"], batch["rejected_ids"]),
            "identical_truncated": _identical(after["chosen_ids"], after["rejected_ids"]),
        }
    )


def _identical(a: pa.ListArray, b: pa.ListArray) -> Flags:
    """Returns where two columns hold the same ids, comparing only rows of equal length."""
    same: Flags = token_counts(a) == token_counts(b)
    rows = np.flatnonzero(same)
    left, right = (column.take(pa.array(rows)) for column in (a, b))
    different = np.concatenate([[0], np.cumsum(left.values.to_numpy() != right.values.to_numpy())])
    offsets = left.offsets.to_numpy()
    same[rows] = different[offsets[1:]] == different[offsets[:-1]]
    return same
