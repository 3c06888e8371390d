"""Batches in any order and of any size give what the whole set gives on one machine."""

from __future__ import annotations

import random
from itertools import product

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefdata.curate.plan import Plan, read_plan
from prefdata.curate.run import curate
from prefdata.curate.split import split
from prefdata.distributed import curation, near, rules, splitting
from prefdata.errors import InputError, PrefError
from prefdata.frame import PAIRS, pairs_table, to_polars
from prefdata.lint import check
from prefdata.types import Origin, Pair
from tests.prefdata.distributed.batches import RANDOM, over, scattered
from tests.prefdata.pairs import PAIRS as ANY_PAIRS
from tests.prefdata.pairs import WORDS, pair

EXAMPLES = 15  # each runs a whole set through a pipeline, twice

PLANS = [
    [{"step": "dedup"}],
    [{"step": "dedup", "how": "loose", "keep": "margin"}],
    [
        {"step": "fix"},
        {"step": "majority", "posterior": 0.6},
        {"step": "cap", "most": 2},
        {"step": "balance-length", "bins": 2},
        {"step": "sample", "share": 0.8},
    ],
    [{"step": "fix", "rules": ["identical-pair", "near-duplicate-pair"]}],
]


def numbered(pairs: list[Pair]) -> pa.Table:
    """Pairs of three sources, each at a place of its own."""
    placed = [
        Pair(**{**_fields(one), "origin": Origin(f"s{row % 3}", "t.jsonl", row)})
        for row, one in enumerate(pairs, 1)
    ]
    return pairs_table(placed)


def _fields(one: Pair) -> dict[str, object]:
    return {name: getattr(one, name) for name in one.__struct_fields__}


SETS = st.lists(ANY_PAIRS | st.builds(pair, WORDS, WORDS, WORDS), max_size=15).map(numbered)
# Few texts of many words, so that all kinds of near-duplicates and chains of them are there.
LONG = st.sampled_from(
    [
        "",
        "one",
        *(
            " ".join(f"w{n}" if n not in changed else f"x{n}" for n in range(start, start + 40))
            for start, changed in product((0, 1, 20), ((), (3,), (30,), (3, 30), (10, 11)))
        ),
    ]
)
LONG_SETS = st.lists(st.builds(pair, LONG, LONG, LONG), max_size=25).map(numbered)


def places(table: pa.Table) -> list[tuple[object, ...]]:
    return sorted(to_polars(table).select("source", "file", "row", "id").rows())


@settings(max_examples=EXAMPLES)
@given(SETS, RANDOM)
def test_row_rules_find_the_same(table: pa.Table, rng: random.Random) -> None:
    found = over(scattered(table, rng), rules.broken)
    assert found.schema == rules.BROKEN
    local = check(to_polars(table), select=rules.names()).frame.select(rules.BROKEN.names)
    assert sorted(to_polars(found).rows()) == sorted(local.rows())


def test_row_rules_take_names_families_and_settings() -> None:
    table = numbered([pair("q", "same", "same"), pair("q", "a" * 50, "a" * 49 + "b")])
    assert rules.broken(table, ["PD201"])["name"].to_pylist() == ["identical-pair"]
    assert set(rules.broken(table, ["PD2"])["name"].to_pylist()) >= {"identical-pair"}
    with pytest.raises(PrefError, match="duplicate-pair does not look at one pair at a time"):
        rules.broken(table, ["duplicate-pair"])
    with pytest.raises(PrefError, match="nothing"):
        rules.broken(table, settings={"nothing": {"level": "error"}})


@pytest.mark.parametrize("steps", PLANS)
@settings(max_examples=EXAMPLES)
@given(table=SETS, rng=RANDOM)
def test_plans_keep_the_same(
    steps: list[dict[str, object]], table: pa.Table, rng: random.Random
) -> None:
    plan = read_plan({"steps": steps}, "test")
    batches = scattered(table, rng)
    keys = over(batches, curation.keys, plan)
    assert keys.schema == curation.keys_schema(plan)
    removed = curation.resolve(keys, plan)
    kept = over(batches, curation.apply, removed)
    local = curate(to_polars(table), plan)
    assert kept.schema == table.schema
    assert places(kept) == sorted(local.kept.select("source", "file", "row", "id").rows())
    reasons = to_polars(removed).rows()
    assert sorted(reasons) == sorted(local.removed.select(curation.REMOVED.names).rows())


def near_removed(batches: list[pa.Table], rng: random.Random) -> pa.Table:
    """Rounds until nothing more goes, as a plan has them."""
    keys = over(batches, near.keys)
    assert keys.schema == near.keys_schema()
    removed = [curation.REMOVED.empty_table()]
    while not removed[1:] or removed[-1].num_rows:
        candidates = near.candidates(keys)
        documents = over(batches, near.documents, candidates)
        edges = over(scattered(candidates, rng), verified, documents)
        removed.append(near.resolve(keys, edges))
        keys = curation.apply(keys, removed[-1])
    return pa.concat_tables(removed)


def verified(candidates: pa.Table, documents: pa.Table) -> pa.Table:
    return near.verify(documents, candidates)


@settings(max_examples=EXAMPLES)
@given(LONG_SETS | SETS, RANDOM)
def test_near_duplicates_are_the_same(table: pa.Table, rng: random.Random) -> None:
    removed = near_removed(scattered(table, rng), rng)
    plan = read_plan({"steps": [{"step": "dedup", "how": "near"}]}, "test")
    local = curate(to_polars(table), plan).removed.select(curation.REMOVED.names)
    assert sorted(to_polars(removed).rows()) == sorted(local.rows())


def prompt_clusters(batches: list[pa.Table]) -> pa.Table:
    parts = ("prompt",)
    keys = over(batches, near.keys, parts)
    candidates = near.candidates(keys, parts)
    documents = over(batches, near.documents, candidates, parts)
    return near.clusters(keys, near.verify(documents, candidates), parts)


@pytest.mark.parametrize("by_near", [False, True])
@settings(max_examples=EXAMPLES)
@given(table=LONG_SETS | SETS, rng=RANDOM)
def test_splits_are_the_same(by_near: bool, table: pa.Table, rng: random.Random) -> None:
    shares = {"test": 0.3, "validation": 0.2}
    batches = scattered(table, rng)
    keys = over(batches, splitting.keys)
    assert keys.schema == splitting.KEYS
    clusters = prompt_clusters(batches) if by_near else None
    try:
        local = split(to_polars(table), shares, seed=7, near=by_near)
    except InputError as error:
        with pytest.raises(InputError, match=str(error.message)):
            splitting.resolve(keys, shares, 7, clusters)
        return
    parts = over(batches, splitting.apply, splitting.resolve(keys, shares, 7, clusters))
    assert parts.schema == PAIRS.append(pa.field("part", pa.string()))
    for name, rows in local.items():
        own = to_polars(parts).filter(pl.col("part") == name)
        assert sorted(own["row"]) == sorted(rows["row"])


def test_copies_at_one_place_are_refused_where_some_would_stay() -> None:
    table = pairs_table([pair("q", "a", "b", 7)] * 2)
    plan = Plan.model_validate({"steps": [{"step": "dedup"}]})
    with pytest.raises(InputError, match=r"t\.jsonl:7: .* several times") as error:
        curation.resolve(curation.keys(table, plan), plan)
    assert "number of its own" in str(error.value.hint)
    kept = Plan.model_validate({"steps": [{"step": "cap", "most": 5}]})
    assert curation.resolve(curation.keys(table, kept), kept).num_rows == 0
