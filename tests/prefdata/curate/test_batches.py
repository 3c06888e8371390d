"""Batches of Arrow tables give what the frame as a whole gives."""

from __future__ import annotations

import pickle

import pyarrow as pa

from prefdata.curate.batches import apply, keys, resolve
from prefdata.curate.plan import read_plan
from prefdata.curate.run import curate
from prefdata.frame import pairs_table, to_polars
from tests.prefdata.pairs import pair

STEPS = [
    {"step": "fix"},
    {"step": "dedup", "how": "loose", "keep": "margin"},
    {"step": "majority", "posterior": 0.6},
    {"step": "cap", "most": 3},
    {"step": "balance-length", "bins": 2},
    {"step": "sample", "share": 0.8},
]


def test_batches_give_what_the_whole_gives() -> None:
    pairs = [
        pair(f"q{n % 7}", "a" * (n % 5), "b" * (n % 3), n, margin=float(n % 4)) for n in range(90)
    ]
    table = pairs_table(pairs)
    plan = read_plan({"steps": STEPS}, "test")
    sent = pickle.loads(pickle.dumps(plan))
    batches = [table.slice(start, 13) for start in range(0, table.num_rows, 13)]
    reasons = resolve(pa.concat_tables(keys(batch, sent) for batch in batches), sent)
    starts = range(0, table.num_rows, 13)
    parts = [apply(b, reasons.slice(s, 13)) for b, s in zip(batches, starts, strict=True)]
    kept = curate(to_polars(table), plan).kept
    assert 0 < kept.height < 40
    assert pa.concat_tables(parts).column("id").to_pylist() == kept["id"].to_list()
