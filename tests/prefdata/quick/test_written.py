"""Batches that prefdata wrote are taken whole, and a row that was changed since is read like any other."""

from __future__ import annotations

from typing import Any

import msgspec
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefdata.converting.convert_block import Converted, convert_block
from prefdata.converting.options import ConvertOptions, Source
from prefdata.frame import PAIRS, pairs_table
from prefdata.io.blocks import Records, Rows
from prefdata.quick.written import as_pairs, unchanged
from prefdata.types import ROLES, Origin, Pair, Vote
from tests.prefdata import pairs as any_pairs
from tests.prefdata.pairs import pair, turn


def pair_of(prompt: Any, chosen: Any, rejected: Any, model: Any, score: Any) -> Pair:
    origin = Origin("s", "s.jsonl", 1)
    sides = {"prompt": prompt, "chosen": chosen, "rejected": rejected}
    return Pair(**sides, origin=origin, chosen_model=model, margin=score)


CALLS = '[{"type":"function","function":{"name":"f","arguments":{}}}]'
said = st.builds(
    turn, any_pairs.TEXTS, st.sampled_from(ROLES), thinking=st.none() | any_pairs.WORDS
)
calling = st.builds(turn, st.none(), st.just("assistant"), tool_calls=st.just(CALLS))
answer = st.tuples(st.builds(turn, any_pairs.TEXTS)) | st.tuples(calling, said)
silent = (
    st.just(())
    | st.tuples(st.builds(turn, any_pairs.TEXTS, st.just("user")))
    | st.tuples(st.builds(turn, st.none()))
)
conversations = st.lists(said | calling, max_size=3).map(tuple)
row = st.builds(
    pair_of, conversations, answer, answer | silent, st.none() | any_pairs.WORDS, any_pairs.SCORES
)
META = st.sampled_from([{}, {"a": 1}, {"text": 'é"\n', "list": [1.5, None]}])
VOTES = st.none() | st.lists(st.builds(Vote, st.sampled_from(["first", "tie"])), max_size=2).map(
    tuple
)


def written(*pairs: Pair) -> pa.RecordBatch:
    return pairs_table(pairs).combine_chunks().to_batches()[0]


def with_cell(batch: pa.RecordBatch, column: str, row: int, value: Any) -> pa.RecordBatch:
    """Returns the batch with one cell changed by somebody else."""
    cells = batch[column].to_pylist()
    cells[row] = value
    place = batch.schema.get_field_index(column)
    return batch.set_column(place, batch.schema.field(column), pa.array(cells, batch[column].type))


def both_ways(batch: pa.RecordBatch) -> tuple[Converted, Converted]:
    """Returns what a batch becomes when it is taken whole, and row by row."""
    source, options = Source("set", "set.parquet", "canonical"), ConvertOptions(layout="canonical")
    block = Records(5, batch)
    exactly = Rows(5, list(block.rows()))
    return convert_block(block, source, options), convert_block(exactly, source, options)


def assert_same(batch: pa.RecordBatch) -> None:
    quick, exact = both_ways(batch)
    assert quick.pairs.equals(exact.pairs)
    assert quick.quarantine == exact.quarantine
    assert msgspec.to_builtins(quick.ledger) == msgspec.to_builtins(exact.ledger)


@given(st.lists(st.tuples(row, META, VOTES), min_size=1, max_size=4))
def test_what_was_written_is_read_as_the_reader_reads_it(rows: list[Any]) -> None:
    pairs = [msgspec.structs.replace(p, meta=meta, votes=votes) for p, meta, votes in rows]
    assert_same(written(*pairs))


ROWS = (pair("q", "a", "b", 1), pair("r", "c", "d", 2, meta={"k": 1}), pair("s", "e", "f", 3))


def test_all_rows_are_taken_whole() -> None:
    batch = written(*ROWS)
    assert unchanged(batch).all()
    assert both_ways(batch)[0].pairs.equals(pa.Table.from_batches([batch]))


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("id", "0" * 32),
        ("id", None),
        ("prompt_id", "0" * 32),
        ("chosen", [{"role": "assistant", "content": "mended"}]),
        ("chosen", None),
        ("prompt", [None]),
        ("meta", None),
        ("meta", "[]"),
        ("meta", '{"k": 1}'),
        ("meta", '{"k":1,"k":2}'),
        ("source", None),
        ("row", None),
        ("votes", [{"choice": "left"}]),
        ("images", [None]),
    ],
)
def test_a_row_that_was_changed_is_left_to_the_reader(column: str, value: Any) -> None:
    batch = with_cell(written(*ROWS), column, 1, value)
    assert not unchanged(batch)[1]
    assert_same(batch)


def test_types_that_polars_writes_are_ours() -> None:
    batch = written(*ROWS)
    large = pl.from_arrow(pa.Table.from_batches([batch])).to_arrow()  # type: ignore[union-attr]
    assert large.schema != PAIRS
    (again,) = large.combine_chunks().to_batches()
    taken = as_pairs(again)
    assert taken is not None
    assert taken.equals(batch)


def test_other_columns_are_not_ours() -> None:
    batch = written(*ROWS)
    assert as_pairs(batch.append_column("reason", pa.nulls(3, pa.string()))) is None
    assert as_pairs(batch.drop_columns(["votes"])) is None
    assert as_pairs(batch.set_column(0, "id", pa.array([1, 2, 3]))) is None
