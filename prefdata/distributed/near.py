"""Near-duplicate pairs over batches of a set, as `dedup` with `how: near` finds them.

    candidates(keys of all batches)               documents that share a band
    documents(batch, candidates)                  the texts of those, for each batch
    verify(documents, candidates)                 those that are similar; candidates may come in parts
    resolve(keys of all batches, edges)           the places of the pairs that go
    curation.apply(batch, removed)                for each batch

The plan goes on, from `candidates`, with `curation.apply(keys, removed)` until nothing more is removed; a
second round seldom finds anything.

A document is the prompt, the chosen or the rejected side of a pair, and is known by a hash of its text.
Keys are about 450 bytes a pair; texts travel for candidates only.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import polars as pl
import pyarrow as pa

from prefdata import near
from prefdata.distributed.curation import PLACE, removals
from prefdata.distributed.portable import to_frame, to_table
from prefdata.frame import to_polars
from prefdata.near.clusters import hashes
from prefdata.near.conversations import answered, asked
from prefdata.near.keys import BANDS, CONTENT, band_names
from prefdata.near.verify import components

PARTS = ("prompt", "chosen", "rejected")
REASON = "near-duplicate-pair"

CANDIDATES = pa.schema([("part", pa.string()), ("left", pa.int64()), ("right", pa.int64())])
DOCUMENTS = pa.schema(
    [("part", pa.string()), ("document", pa.int64()), ("texts", pa.list_(pa.string()))]
)
EDGES = pa.schema([*CANDIDATES, ("jaccard", pa.float64())])
CLUSTERS = pa.schema([("part", pa.string()), ("document", pa.int64()), ("cluster", pa.int64())])

_DOCUMENT = "document"
_ENDS = ("left", "right")
_KEYS = (_DOCUMENT, CONTENT, *band_names(BANDS))


def keys_schema(parts: Sequence[str] = PARTS) -> pa.Schema:
    """Returns the schema of what `keys` returns."""
    place = [
        ("source", pa.string()),
        ("file", pa.string()),
        ("row", pa.int64()),
        ("id", pa.string()),
    ]
    return pa.schema([*place, *((f"{p}_{key}", pa.int64()) for p in parts for key in _KEYS)])


def keys(table: pa.Table, parts: Sequence[str] = PARTS) -> pa.Table:
    """Returns the place of each pair and, for each of `parts`, hash, content and bands.

    Args:
        table: canonical columns.
        parts: which documents are compared.

    Returns:
        A table of schema `keys_schema(parts)`, one row a pair.
    """
    pairs = to_polars(table)
    columns = [_document_keys(_texts(pairs, part), part) for part in parts]
    found = pl.concat([pairs.select(PLACE), *columns], how="horizontal")
    return to_table(found).cast(keys_schema(parts))


def candidates(keys: pa.Table, parts: Sequence[str] = PARTS) -> pa.Table:
    """Returns the documents that may be similar, a table of schema `CANDIDATES`: pairs of hashes.

    Args:
        keys: what `keys` returned for all batches, in any order.
        parts: the same parts.
    """
    return _joined((_candidates(_part(keys, part), part) for part in parts), CANDIDATES)


def documents(table: pa.Table, candidates: pa.Table, parts: Sequence[str] = PARTS) -> pa.Table:
    """Returns the texts of those documents of a batch that are candidates, a table of `DOCUMENTS`.

    Args:
        table: canonical columns.
        candidates: what `candidates` returned.
        parts: the same parts.
    """
    pairs, wanted = to_polars(table), to_polars(candidates)
    found = (_wanted(_texts(pairs, part), _of(wanted, part), part) for part in parts)
    return _joined(found, DOCUMENTS)


def verify(
    documents: pa.Table, candidates: pa.Table, threshold: float = near.THRESHOLD
) -> pa.Table:
    """Returns the candidates whose Jaccard similarity is at least `threshold`: schema `EDGES`.

    Args:
        documents: what `documents` returned for all batches, or what of it the candidates name.
        candidates: any part of what `candidates` returned.
        threshold: in [0.6, 1].
    """
    texts, pairs = to_polars(documents), to_polars(candidates)
    parts = pairs["part"].unique(maintain_order=True)
    found = (_verified(_of(texts, part), _of(pairs, part), part, threshold) for part in parts)
    return _joined(found, EDGES)


def clusters(keys: pa.Table, edges: pa.Table, parts: Sequence[str] = PARTS) -> pa.Table:
    """Returns the cluster of each document, named by the least of its hashes: schema `CLUSTERS`.

    Args:
        keys: what `keys` returned for all batches, in any order.
        edges: what `verify` returned for all candidates.
        parts: the same parts.
    """
    similar = to_polars(edges)
    found = (_clusters(_part(keys, part), _of(similar, part), part) for part in parts)
    return _joined(found, CLUSTERS)


def resolve(keys: pa.Table, edges: pa.Table) -> pa.Table:
    """Returns the places of all but the first pair of each group of near-duplicates.

    Pairs are near-duplicates where their prompts, their chosen and their rejected sides are in the
    same clusters. The first is that by source, file and row.

    Args:
        keys: what `keys` returned for all batches and all parts, in any order.
        edges: what `verify` returned for all candidates.

    Returns:
        A table of schema `prefdata.distributed.curation.REMOVED`.

    Raises:
        InputError: the set has a pair several times at one place.
    """
    found = to_polars(clusters(keys, edges))
    pairs = to_polars(keys)
    for part in PARTS:
        of_part = found.filter(part=part).select("cluster", **{f"{part}_{_DOCUMENT}": _DOCUMENT})
        pairs = pairs.join(of_part.rename({"cluster": part}), on=f"{part}_{_DOCUMENT}", how="left")
    ordered = pairs.sort(PLACE)
    goes = ~pl.struct(PARTS).is_first_distinct()
    return removals(ordered, ordered.select(pl.when(goes).then(pl.lit(REASON))).to_series())


def _texts(pairs: pl.DataFrame, part: str) -> pl.Series:
    return pairs.select(asked() if part == "prompt" else answered(part)).to_series()


def _document_keys(texts: pl.Series, part: str) -> pl.DataFrame:
    """Returns the columns of `_KEYS`, named after the part; a text is cut once in a batch."""
    own = hashes(texts).alias(_DOCUMENT)
    first = own.arg_unique()
    of_text = near.keys(texts.gather(first)).with_columns(own.gather(first))
    found = own.to_frame().join(of_text, on=_DOCUMENT, how="left", maintain_order="left")
    return found.select(pl.col(key).alias(f"{part}_{key}") for key in _KEYS)


def _part(keys: pa.Table, part: str) -> pl.DataFrame:
    """Returns the columns of `_KEYS` for the documents of a part, by hash, each once."""
    own = keys.select([f"{part}_{key}" for key in _KEYS]).rename_columns(_KEYS)
    frame = to_frame(own, pl.Schema(dict.fromkeys(_KEYS, pl.UInt64)))
    return frame.unique(_DOCUMENT).sort(_DOCUMENT)


def _of(found: pl.DataFrame, part: str) -> pl.DataFrame:
    """Returns the rows of a part, hashes unsigned again."""
    own = found.filter(pl.col("part") == part).drop("part")
    return own.with_columns(pl.col(pl.Int64).reinterpret(signed=False))


def _joined(found: Iterable[pl.DataFrame], schema: pa.Schema) -> pa.Table:
    tables = [to_table(frame.select(schema.names)).cast(schema) for frame in found]
    return pa.concat_tables([schema.empty_table(), *tables])


def _candidates(own: pl.DataFrame, part: str) -> pl.DataFrame:
    pairs = near.candidates(own.drop(_DOCUMENT))
    ends = {end: own[_DOCUMENT].gather(pairs[end]) for end in _ENDS}
    return pl.DataFrame(ends).with_columns(part=pl.lit(part))


def _wanted(texts: pl.Series, pairs: pl.DataFrame, part: str) -> pl.DataFrame:
    own = pl.DataFrame({_DOCUMENT: hashes(texts), "texts": texts})
    ends = pl.DataFrame({_DOCUMENT: pairs["left"].append(pairs["right"])})
    found = own.join(ends, on=_DOCUMENT, how="semi").unique(_DOCUMENT)
    return found.with_columns(part=pl.lit(part))


def _verified(
    texts: pl.DataFrame, pairs: pl.DataFrame, part: str, threshold: float
) -> pl.DataFrame:
    own = texts.unique(_DOCUMENT).sort(_DOCUMENT)
    similar = near.verify(own["texts"], _rows(own[_DOCUMENT], pairs), threshold)
    ends = {end: own[_DOCUMENT].gather(similar[end]) for end in _ENDS}
    return pl.DataFrame({**ends, "jaccard": similar["jaccard"]}).with_columns(part=pl.lit(part))


def _clusters(own: pl.DataFrame, edges: pl.DataFrame, part: str) -> pl.DataFrame:
    """Returns documents and clusters; documents of one content are together with its first."""
    rows = own.with_row_index("right")
    copies = rows.select(pl.col("right").first().over(CONTENT).alias("left"), "right")
    connected = pl.concat([copies, _rows(own[_DOCUMENT], edges)])
    component = pl.Series("component", components(connected, own.height))
    least = pl.col(_DOCUMENT).min().over("component")
    return own.select(_DOCUMENT, component).select(_DOCUMENT, cluster=least, part=pl.lit(part))


def _rows(documents: pl.Series, pairs: pl.DataFrame) -> pl.DataFrame:
    """Returns `left` and `right` as rows of `documents`, which are in order."""
    return pl.DataFrame({end: documents.search_sorted(pairs[end]).cast(pl.UInt32) for end in _ENDS})
