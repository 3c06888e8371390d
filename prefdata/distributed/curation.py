"""A plan of curation (`prefdata.curate.plan`) over batches of a set.

    removed = resolve(keys of all batches, plan)
    kept = apply(batch, removed)                  for each batch

`keys` are about 100 bytes a pair. Only two steps decide by whole texts, which are then keys: `fix` with a
rule that looks across pairs (other than duplicate-pair), and `dedup` with `how: near`, for which
`prefdata.distributed.near` does without.
"""

from __future__ import annotations

import polars as pl
import pyarrow as pa

from prefdata.curate.plan import Plan
from prefdata.curate.run import judge, side_car
from prefdata.distributed.portable import to_frame, to_table
from prefdata.errors import InputError
from prefdata.frame import PAIRS, to_polars

PLACE = ("source", "file", "row", "id")
REMOVED = pa.schema(
    [
        ("source", pa.string()),
        ("file", pa.string()),
        ("row", pa.int64()),
        ("id", pa.string()),
        ("reason", pa.string()),
    ]
)


def keys(table: pa.Table, plan: Plan) -> pa.Table:
    """Returns what the steps of a plan decide by, one row a pair.

    Args:
        table: canonical columns; others are there for the steps that name them.
        plan: the steps.

    Returns:
        A table of schema `keys_schema(plan)`.
    """
    return to_table(side_car(to_polars(table), plan))


def keys_schema(plan: Plan) -> pa.Schema:
    """Returns the schema of what `keys` returns."""
    return keys(PAIRS.empty_table(), plan).schema


def resolve(keys: pa.Table, plan: Plan) -> pa.Table:
    """Returns the places of the pairs that go and why, a table of schema `REMOVED`.

    Args:
        keys: what `keys` returned for all batches, in any order.
        plan: the same plan.

    Raises:
        InputError: the set lacks a score that a step decides by, or has a pair several times at one
            place, of which only some are to go.
    """
    schema = side_car(to_polars(PAIRS.empty_table()), plan).schema
    known = to_frame(keys, schema)
    places = known.select("source", "file", "row", pl.col("id").bin.encode("hex"))
    return removals(places, judge(known, plan).reasons)


def apply(table: pa.Table, removed: pa.Table) -> pa.Table:
    """Returns the rows of a batch that stay; no column changes.

    Args:
        table: the batch.
        removed: what `resolve` returned.
    """
    places = to_polars(table.select(PLACE)).with_row_index("at")
    left = places.join(to_polars(removed), on=PLACE, how="anti", maintain_order="left")
    return table.take(left["at"].to_arrow())


def removals(places: pl.DataFrame, reasons: pl.Series) -> pa.Table:
    """Returns the places of pairs that have a reason to go, a table of schema `REMOVED`.

    Args:
        places: the columns of `PLACE`, one row a pair.
        reasons: one text a pair, null where it stays.

    Raises:
        InputError: a pair that goes and one that stays have the same place.
    """
    judged = places.select(*PLACE, reason=reasons)
    goes = judged.filter(pl.col("reason").is_not_null()).unique(PLACE)
    stays = judged.filter(pl.col("reason").is_null())
    for source, file, row, pair in (
        stays.join(goes, on=PLACE, how="semi").select(PLACE).head(1).rows()
    ):
        raise InputError(
            f"{file}:{row}: pair {pair} of {source} is there several times, and only some are to go",
            hint="nothing tells such copies apart; give each a number of its own in `row`",
        )
    return to_table(goes).cast(REMOVED)
