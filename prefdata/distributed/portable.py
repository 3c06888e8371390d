"""Frames to tables in types that all engines know, and back."""

from __future__ import annotations

import polars as pl
import pyarrow as pa

from prefdata.frame import to_polars

_SMALL = (pl.UInt8, pl.UInt16, pl.UInt32)


def to_table(frame: pl.DataFrame) -> pa.Table:
    """Returns a frame without unsigned numbers (64 bits of them keep their bits) and large offsets."""
    signed = frame.with_columns(
        pl.col(pl.UInt64).reinterpret(signed=True), pl.col(_SMALL).cast(pl.Int64)
    )
    table = signed.to_arrow(compat_level=pl.CompatLevel.oldest())
    return table.cast(pa.schema([(field.name, _narrow(field.type)) for field in table.schema]))


def to_frame(table: pa.Table, schema: pl.Schema) -> pl.DataFrame:
    """Returns a frame of `schema` from the table that `to_table` made of it."""
    return to_polars(table).select(_restored(name, kind) for name, kind in schema.items())


def _restored(name: str, kind: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    return column.reinterpret(signed=False) if kind == pl.UInt64 else column.cast(kind)


def _narrow(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_large_string(kind):
        return pa.string()
    if pa.types.is_large_binary(kind):
        return pa.binary()
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.list_(_narrow(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([(field.name, _narrow(field.type)) for field in kind])
    return kind
