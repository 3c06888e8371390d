"""Record batches that prefdata has written: taken as they are, once they are proven to be unchanged.

The ids are hashes of prompt, completions and tools, so a row whose ids come out the same holds what was
written. Types and nulls prove the columns that no id covers, and `meta` must be written as we write it.
Somebody may have made pairs of his own with `prefdata.frame`; so completions are looked at, too.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast, get_args

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from prefdata import ids
from prefdata.frame import PAIRS, json_meta
from prefdata.quick import Mask
from prefdata.types import ROLES, Choice

_GIVEN = ("prompt", "chosen", "rejected", "source", "file", "row", "meta")


def as_pairs(batch: pa.RecordBatch) -> pa.RecordBatch | None:
    """Returns the batch with the types of canonical columns, None if it has others.

    Args:
        batch: of any columns. Texts and lists may be of Arrow's large types, as polars writes them.
    """
    if batch.schema.names != PAIRS.names:
        return None
    if any(
        _small(ours.type) != _small(theirs.type)
        for ours, theirs in zip(batch.schema, PAIRS, strict=True)
    ):
        return None
    return batch.cast(PAIRS)


def unchanged(batch: pa.RecordBatch) -> Mask:
    """Returns which rows are proven to be as prefdata wrote them.

    Args:
        batch: of schema `prefdata.frame.PAIRS`.
    """
    messages = [batch[side].flatten() for side in ("prompt", "chosen", "rejected")]
    if _any_null([*messages, batch["images"].flatten()]) or not _are_votes(batch["votes"]):
        return np.zeros(batch.num_rows, np.bool_)
    pair, prompt = ids.pair_ids(batch["prompt"], batch["chosen"], batch["rejected"], batch["tools"])
    good = _equal(batch["id"], pa.array(pair, pa.string()))
    good &= _equal(batch["prompt_id"], pa.array(prompt, pa.string()))
    for name in _GIVEN:
        good &= batch[name].is_valid().to_numpy(zero_copy_only=False)
    for side in ("prompt", "chosen", "rejected"):
        good &= _are_said(batch[side], completion=side != "prompt")
    for index in np.flatnonzero(good & ~_equal(batch["meta"], "{}")).tolist():
        good[index] = _is_ours(batch["meta"][index].as_py())
    return good


def _are_said(conversations: pa.ListArray, *, completion: bool) -> Mask:
    """Returns which conversations have known roles and something in every message.

    Args:
        conversations: list<struct> column of messages.
        completion: whether the assistant must begin them.
    """
    messages = conversations.flatten()
    offsets = conversations.offsets.to_numpy() - conversations.offsets[0].as_py()
    role, content, calls = map(messages.field, ("role", "content", "tool_calls"))
    known = pc.is_in(role, pa.array(ROLES))
    said = pc.and_(known, pc.or_(content.is_valid(), calls.is_valid()))
    silent = np.append(0, np.cumsum(~said.to_numpy(zero_copy_only=False)))
    good = silent[offsets[1:]] == silent[offsets[:-1]]
    if completion:
        begins = np.append(_equal(role, "assistant"), False)[offsets[:-1]]
        good &= (np.diff(offsets) > 0) & begins
    return cast(Mask, good)


def _equal(column: pa.StringArray, other: pa.StringArray | str) -> Mask:
    same = pc.equal(column, other).fill_null(pa.scalar(value=False))
    return cast(Mask, same.to_numpy(zero_copy_only=False))


def _small(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.list_(_small(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([(field.name, _small(field.type)) for field in kind])
    return kind


def _any_null(columns: Iterable[pa.Array]) -> bool:
    return any(column.null_count for column in columns)


def _are_votes(votes: pa.ListArray) -> bool:
    flat = votes.flatten()
    known = pc.is_in(flat.field("choice"), pa.array(get_args(Choice)))
    return flat.null_count == 0 and bool(pc.all(known, min_count=0).as_py())


def _is_ours(meta: str) -> bool:
    try:
        found = msgspec.json.decode(meta)
        return isinstance(found, dict) and json_meta(found) == meta
    except (msgspec.MsgspecError, UnicodeError, RecursionError, OverflowError):
        return False
