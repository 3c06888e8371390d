"""A plan in three functions of Arrow tables, for engines that spread batches over machines."""

from __future__ import annotations

import polars as pl
import pyarrow as pa

from prefdata.curate.plan import Plan
from prefdata.curate.run import judge, side_car
from prefdata.frame import to_polars

REASONS = pa.schema([("reason", pa.string())])


def keys(table: pa.Table, plan: Plan) -> pa.Table:
    """Returns what the steps of a plan decide by, one row a pair; no pair looks at another.

    Args:
        table: canonical columns; others are there for the steps that name them.
        plan: the steps.
    """
    return side_car(to_polars(table), plan).to_arrow(compat_level=pl.CompatLevel.oldest())


def resolve(keys: pa.Table, plan: Plan) -> pa.Table:
    """Returns why each pair goes, null where it stays: a table of schema `REASONS`.

    Args:
        keys: what `keys` returned for all batches, one after the other.
        plan: the same plan.

    Raises:
        InputError: the set lacks a score that a step decides by.
    """
    reasons = judge(to_polars(keys), plan).reasons
    return pl.DataFrame({"reason": reasons}).to_arrow().cast(REASONS)


def apply(table: pa.Table, reasons: pa.Table) -> pa.Table:
    """Returns the rows of a batch that stay.

    Args:
        table: the batch.
        reasons: as many rows of what `resolve` returned.
    """
    return table.filter(reasons["reason"].is_null())
