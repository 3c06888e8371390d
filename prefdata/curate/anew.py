"""New pairs, ties and ratings of rebuilt rankings, in canonical columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import polars as pl
import pyarrow as pa

from prefdata import frame
from prefdata.curate.rankings import SIDES, Rankings, completions
from prefdata.pairing import with_additions

_SCHEMAS = {"pairs": frame.PAIRS, "ties": frame.TIES, "unpaired": frame.UNPAIRED}
_CONTEXT = ("prompt", "tools", "chat_template_kwargs", "images", "source", "file", "row")
_BATCH_ROWS = 16_384

Meta = dict[str, Any]


class _Said(NamedTuple):
    """What the metas of one ranking say: of all of it, and of each of its completions."""

    shared: Meta
    of_node: dict[int, Meta]


class Anew:
    """Makes rows of the completions of rankings.

    Attributes:
        lost_fields: fields of meta in which the rows of a ranking differ: they belong to a pair, so
            that no new row has them.
    """

    def __init__(
        self, parts: Mapping[str, pl.DataFrame], rankings: Rankings, wanted: pl.Series
    ) -> None:
        """Takes what there is to know.

        Args:
            parts: what the rankings were rebuilt of.
            rankings: as they were rebuilt.
            wanted: the rankings that will be asked for.
        """
        lines = rankings.rows.with_row_index("line").filter(
            pl.col("ranking").is_in(wanted.unique().implode())
        )
        first = lines.unique("ranking", keep="first", maintain_order=True)
        contexts = pl.concat(part.select(_CONTEXT) for part in parts.values())
        self._contexts = contexts[first["line"]].with_columns(first["ranking"], first["gathered"])
        self._nodes = rankings.nodes
        self._completions = completions(parts)
        self._said: dict[int, _Said] = {}
        self.lost_fields: set[str] = set()
        metas = pl.concat(part["meta"] for part in parts.values())
        self._read(lines.with_columns(metas[lines["line"]]))

    def rows(self, part: str, new: pl.DataFrame) -> pl.DataFrame:
        """Returns rows of a part.

        Args:
            part: `pairs`, `ties` or `unpaired`.
            new: their `ranking`, and the node of each of their sides under the side's name.
        """
        batches = (self._batch(part, one) for one in new.iter_slices(_BATCH_ROWS))
        return frame.to_polars(pa.concat_tables([_SCHEMAS[part].empty_table(), *batches]))

    def _batch(self, part: str, new: pl.DataFrame) -> pa.Table:
        sides, schema = SIDES[part], _SCHEMAS[part]
        found = new.select("ranking", *sides)
        found = found.join(self._contexts, on="ranking", how="left", maintain_order="left")
        row, meta = self._row_and_meta(found, sides)
        for side in sides:
            found = self._with_side(found, side)
        if part == "pairs":
            margin = pl.col("chosen_score") - pl.col("rejected_score")
            found = found.with_columns(margin=margin)
        found = found.with_columns(row, meta, tie_kind=pl.lit("equal-scores"))
        return _table(found, schema)

    def _with_side(self, found: pl.DataFrame, side: str) -> pl.DataFrame:
        """Returns the rows with the text, the score and the model of a node."""
        beside = "" if side == "completion" else f"{side}_"
        told = self._nodes.select(
            pl.col("node").alias(side),
            pl.when("scored").then("score").alias(f"{beside}score"),
            pl.col("model").alias(f"{beside}model"),
        )
        return found.join(told, on=side, how="left", maintain_order="left").with_columns(
            self._completions[found[side]].alias(side)
        )

    def _row_and_meta(
        self, found: pl.DataFrame, sides: Sequence[str]
    ) -> tuple[pl.Series, pl.Series]:
        """Returns the row of the source that new rows name, and their meta."""
        rows, metas = [], []
        for row in found.select("ranking", "gathered", "row", *sides).iter_rows(named=True):
            said = self._said[row["ranking"]]
            own = {side: said.of_node.get(row[side], {}) for side in sides}
            rows.append(_row(own[sides[0]], row["row"]) if row["gathered"] else row["row"])
            metas.append(frame.json_meta(with_additions(said.shared, own)))
        return pl.Series("row", rows, pl.Int64), pl.Series("meta", metas, pl.String)

    def _read(self, lines: pl.DataFrame) -> None:
        """Reads what the metas of rankings say."""
        for line in lines.select("ranking", "part", "meta", "one", "other").iter_rows(named=True):
            meta, own = _apart(line["meta"], SIDES[line["part"]], (line["one"], line["other"]))
            said = self._said.setdefault(line["ranking"], _Said(dict(meta), {}))
            differing = {
                name
                for name in said.shared.keys() | meta.keys()
                if said.shared.get(name, _NOTHING) != meta.get(name, _NOTHING)
            }
            self.lost_fields |= differing
            for name in differing:
                said.shared.pop(name, None)
            said.of_node.update(own)


_NOTHING = object()


def _apart(text: str, sides: Sequence[str], nodes: Sequence[int]) -> tuple[Meta, dict[int, Meta]]:
    """Returns what a meta says of the ranking, and what of each completion."""
    meta: Meta = msgspec.json.decode(text)
    meta.pop("pair_weight", None)
    own = {}
    for side, node in zip(sides, nodes, strict=False):
        name = f"{side}_of_ranking" if f"{side}_of_ranking" in meta else side
        if isinstance(meta.get(name), dict):
            own[node] = meta.pop(name)
    return meta, own


def _row(better: Meta, otherwise: int) -> int:
    """Returns the row in which the better side stood, as a conversion notes it."""
    ratings = better.get("ratings")
    noted = ratings[0] if isinstance(ratings, list) and ratings else better
    row = noted.get("row")
    return row if isinstance(row, int) else otherwise


def _table(rows: pl.DataFrame, schema: pa.Schema) -> pa.Table:
    """Returns canonical columns with their ids; those that are not there are null."""
    fields = [field for field in schema if field.name in rows.columns]
    columns = rows.select(field.name for field in fields)
    table = columns.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(pa.schema(fields))
    arrays = {name: table[name].combine_chunks() for name in table.column_names}
    return frame.with_ids(arrays, schema)
