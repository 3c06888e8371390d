"""A split by prompt over batches of a set.

    parts = resolve(keys of all batches, shares)
    labelled = apply(batch, parts)                for each batch

To keep near-duplicate prompts together, give `resolve` the clusters that `near.clusters` finds among
documents of the part `prompt`.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from prefdata.curate.groups import asks, group_names, opening_key, unit
from prefdata.curate.split import assign
from prefdata.distributed.portable import to_frame, to_table
from prefdata.frame import to_polars
from prefdata.near.clusters import hashes
from prefdata.near.conversations import asked

KEYS = pa.schema(
    [
        ("unit", pa.string()),
        ("source", pa.string()),
        ("opening", pa.int64()),
        ("document", pa.int64()),
    ]
)
PARTS = pa.schema([("unit", pa.string()), ("part", pa.string())])

_HASHES = {"opening": pl.UInt64, "document": pl.UInt64}
_KEYS = pl.Schema({"unit": pl.String, "source": pl.String, **_HASHES})
_CLUSTERS = pl.Schema({"document": pl.UInt64, "cluster": pl.UInt64})


def keys(table: pa.Table) -> pa.Table:
    """Returns what a split decides by, a table of schema `KEYS`, one row a pair.

    Args:
        table: canonical columns.
    """
    pairs = to_polars(table)
    documents = hashes(pairs.select(asked()).to_series())
    found = pairs.select(
        "source", unit=unit(), opening=opening_key(), document=pl.when(asks()).then(documents)
    )
    return to_table(found.select(KEYS.names)).cast(KEYS)


def resolve(
    keys: pa.Table,
    shares: Mapping[str, float],
    seed: int = 0,
    clusters: pa.Table | None = None,
) -> pa.Table:
    """Returns the part of each unit (a prompt, or a pair without one), a table of schema `PARTS`.

    Args:
        keys: what `keys` returned for all batches, in any order.
        shares: part name -> share of pairs, each > 0, together < 1; what is left is `train`.
        seed: another seed, another split.
        clusters: what `prefdata.distributed.near.clusters` returned; prompts of one cluster go
            together.

    Raises:
        InputError: a part would be empty, because there are too few prompts.
    """
    known = to_frame(keys, _KEYS)
    labels = known.unique("unit").drop("source")
    if clusters is not None:
        of_prompts = clusters.filter(pc.equal(clusters["part"], "prompt"))
        of_document = to_frame(of_prompts, _CLUSTERS)
        labels = labels.join(of_document, on="document", how="left")
    names = group_names(labels.drop("document"))
    groups = known.join(names, on="unit", how="left", maintain_order="left")["group"]
    part_of = assign(known["source"], groups, shares, seed)
    part = names["group"].replace_strict(part_of, return_dtype=pl.String)
    return to_table(names.select("unit", part=part)).cast(PARTS)


def apply(table: pa.Table, parts: pa.Table) -> pa.Table:
    """Returns a batch with one more column, `part`.

    Args:
        table: canonical columns; others are kept.
        parts: what `resolve` returned.
    """
    units = to_polars(table.select(["id", "prompt_id", "prompt"])).select(unit=unit())
    found = units.join(to_polars(parts), on="unit", how="left", maintain_order="left")
    return table.append_column("part", to_table(found.select("part"))["part"])
