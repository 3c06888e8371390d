"""Canonical columns in Arrow and polars, and records to columns without a dict per row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, cast

import msgspec
import pyarrow as pa

from prefdata.schema import pair_id, prompt_id
from prefdata.types import Message, Messages, Origin, Pair, Rating, Role, Tie, Vote

if TYPE_CHECKING:
    import polars as pl

_MESSAGE_FIELDS = Message.__struct_fields__
_VOTE_FIELDS = ("annotator", "choice", "strength")

MESSAGES = pa.list_(pa.struct([(name, pa.string()) for name in _MESSAGE_FIELDS]))
VOTES = pa.list_(
    pa.struct([("annotator", pa.string()), ("choice", pa.string()), ("strength", pa.float64())])
)
_CONTEXT = [
    ("tools", pa.string()),
    ("chat_template_kwargs", pa.string()),
    ("images", pa.list_(pa.string())),
]
_ORIGIN = [
    ("source", pa.string()),
    ("file", pa.string()),
    ("row", pa.int64()),
    ("meta", pa.string()),
]


def _sided(first: str, second: str) -> list[tuple[str, pa.DataType]]:
    scores = [(f"{first}_score", pa.float64()), (f"{second}_score", pa.float64())]
    models = [(f"{first}_model", pa.string()), (f"{second}_model", pa.string())]
    margin = [("margin", pa.float64())] if first == "chosen" else []
    return [*scores, *margin, *models, ("votes", VOTES)]


PAIRS = pa.schema(
    [
        ("id", pa.string()),
        ("prompt_id", pa.string()),
        ("prompt", MESSAGES),
        ("chosen", MESSAGES),
        ("rejected", MESSAGES),
        *_CONTEXT,
        *_sided("chosen", "rejected"),
        ("chosen_first", pa.bool_()),
        *_ORIGIN,
    ]
)
TIES = pa.schema(
    [
        ("prompt_id", pa.string()),
        ("prompt", MESSAGES),
        ("first", MESSAGES),
        ("second", MESSAGES),
        ("tie_kind", pa.string()),
        *_CONTEXT,
        *_sided("first", "second"),
        *_ORIGIN,
    ]
)
UNPAIRED = pa.schema(
    [
        ("prompt_id", pa.string()),
        ("prompt", MESSAGES),
        ("completion", MESSAGES),
        ("desirable", pa.bool_()),
        ("score", pa.float64()),
        ("model", pa.string()),
        *_CONTEXT,
        *_ORIGIN,
    ]
)
QUARANTINE = pa.schema(
    [
        ("source", pa.string()),
        ("file", pa.string()),
        ("row", pa.int64()),
        ("rule", pa.string()),
        ("path", pa.string()),
        ("message", pa.string()),
        ("raw", pa.string()),
        ("raw_base64", pa.string()),
    ]
)


def _structs(
    rows: Sequence[Sequence[Any] | None], kind: pa.ListType, names: Sequence[str]
) -> pa.Array:
    """Returns rows of records as a list<struct> array, one flat child array per field."""
    offsets: list[int | None] = []
    flat: list[Any] = []
    for row in rows:
        offsets.append(None if row is None else len(flat))
        flat += row or ()
    offsets.append(len(flat))
    children = [
        pa.array([getattr(item, name) for item in flat], kind.value_type.field(name).type)
        for name in names
    ]
    struct = pa.StructArray.from_arrays(children, fields=list(kind.value_type))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), struct, type=kind)


def _column(values: list[Any], kind: pa.DataType) -> pa.Array:
    if kind == MESSAGES:
        return _structs(values, kind, _MESSAGE_FIELDS)
    if kind == VOTES:
        return _structs(values, kind, _VOTE_FIELDS)
    return pa.array(values, kind)


def _table(
    records: Sequence[Pair | Tie | Rating], schema: pa.Schema, computed: dict[str, list[Any]]
) -> pa.Table:
    origins = [cast(Origin, record.origin) for record in records]
    computed |= {name: [getattr(o, name) for o in origins] for name in ("source", "file", "row")}
    computed["meta"] = [msgspec.json.encode(record.meta).decode() for record in records]
    columns = [
        _column(computed.get(f.name) or [getattr(record, f.name) for record in records], f.type)
        for f in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def pairs_table(pairs: Iterable[Pair]) -> pa.Table:
    """Returns pairs as a table of schema `PAIRS`, ids computed. Every pair must have an origin."""
    rows = list(pairs)
    ids = [pair_id(p.prompt, p.chosen, p.rejected, p.tools) for p in rows]
    return _table(
        rows, PAIRS, {"id": ids, "prompt_id": [prompt_id(p.prompt, p.tools) for p in rows]}
    )


def ties_table(ties: Iterable[Tie]) -> pa.Table:
    """Returns ties as a table of schema `TIES`."""
    rows = list(ties)
    return _table(rows, TIES, {"prompt_id": [prompt_id(t.prompt, t.tools) for t in rows]})


def unpaired_table(ratings: Iterable[Rating]) -> pa.Table:
    """Returns ratings as a table of schema `UNPAIRED`."""
    rows = list(ratings)
    return _table(rows, UNPAIRED, {"prompt_id": [prompt_id(r.prompt, r.tools) for r in rows]})


def to_polars(table: pa.Table) -> pl.DataFrame:
    """Returns an Arrow table as a polars frame (no copy where the layouts agree)."""
    import polars as pl

    return cast("pl.DataFrame", pl.from_arrow(table))


def messages(value: Sequence[dict[str, Any]]) -> Messages:
    """Returns a cell of a messages column as `Message` records."""
    return tuple(
        Message(
            role=cast(Role, item["role"]),
            **{name: item.get(name) for name in _MESSAGE_FIELDS if name != "role"},
        )
        for item in value
    )


def votes(value: Sequence[dict[str, Any]] | None) -> tuple[Vote, ...] | None:
    """Returns a cell of a votes column as `Vote` records."""
    if value is None:
        return None
    return tuple(
        Vote(item["choice"], item.get("annotator"), item.get("strength")) for item in value
    )
