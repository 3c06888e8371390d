"""`prefdata.tokens.lengths` against really cutting every pair, for random pairs and all policies."""

import numpy as np
import polars as pl
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from prefdata.render.lengths import sparkline
from prefdata.tokens.lengths import (
    COUNTS,
    length_table,
    longest_side,
    offered,
    pair_lengths,
    recommend,
)
from prefdata.tokens.render import TOKENS
from prefdata.tokens.truncate import truncate

# three ids, so that sides often begin or end alike
IDS = st.lists(st.integers(0, 2), max_size=6)
PAIRS = st.lists(st.tuples(IDS, IDS, IDS), min_size=1, max_size=12)


def tokens(pairs) -> pa.Table:
    columns = [[f"{n:032x}" for n in range(len(pairs))], *map(list, zip(*pairs, strict=True))]
    return pa.table(dict(zip(TOKENS.names, columns, strict=True)), schema=TOKENS)


def slow_count(pairs, max_length, truncation) -> dict[str, int]:
    """Cuts each pair with `truncate` and looks at what is left."""
    counts = dict.fromkeys(COUNTS, 0)
    for prompt, chosen, rejected in pairs:
        counts["pairs"] += 1
        counts["too_long"] += len(prompt) + max(len(chosen), len(rejected)) > max_length
        for left in truncate(
            tokens([(prompt, chosen, rejected)]), max_length, truncation
        ).table.to_pylist():
            p, c, r = (left[name] for name in TOKENS.names[1:])
            counts["chosen_cut"] += len(c) < len(chosen)
            counts["rejected_cut"] += len(r) < len(rejected)
            counts["emptied"] += (not c and bool(chosen)) or (not r and bool(rejected))
            counts["identical"] += c == r and chosen != rejected
            for name, part in (("prompt", p), ("chosen", c), ("rejected", r)):
                counts[f"{name}_tokens"] += len(part)
            counts["tokens"] += 2 * len(p) + len(c) + len(r)
    return counts


@given(PAIRS, st.integers(2, 14), st.sampled_from(["drop", "keep_start", "keep_end"]))
@settings(max_examples=300)
def test_counts_are_those_of_cutting_every_pair(pairs, max_length, truncation):
    table = length_table(pair_lengths(tokens(pairs)), [max_length], truncation)
    assert table.select(COUNTS).row(0, named=True) == slow_count(pairs, max_length, truncation)


@given(PAIRS, st.floats(0.01, 1))
def test_the_recommended_length_is_the_smallest_that_cuts_fewer(pairs, share):
    lengths = pair_lengths(tokens(pairs))
    exact, rounded = recommend(lengths, share)

    def cut(max_length: int) -> float:
        return (longest_side(lengths) > max_length).mean()

    assert cut(exact) < share
    assert exact == 2 or cut(exact - 1) >= share
    assert rounded % 64 == 0
    assert 0 <= rounded - exact < 64


def test_rows_of_each_source_add_up_to_the_row_of_all():
    rng = np.random.default_rng(0)
    pairs = [
        tuple(rng.integers(0, 3, rng.integers(0, 9)).tolist() for _ in range(3)) for _ in range(40)
    ]
    lengths = pair_lengths(tokens(pairs)).with_columns(source=pl.Series(["a", "b"] * 20))
    table = length_table(lengths, [4, 8], by="source")
    for max_length in (4, 8):
        rows = table.filter(pl.col("max_length") == max_length)
        assert rows["source"].to_list() == [None, "a", "b"]
        assert rows.select(COUNTS).head(1).equals(rows.select(COUNTS).tail(2).sum())


def test_lengths_of_a_table_in_chunks_and_of_a_slice():
    pairs = [([1], [1, 2], [1, 0]), ([], [2], [2]), ([1, 1], [0, 2], [1, 2])]
    whole = pair_lengths(tokens(pairs))
    assert whole["same_start"].to_list() == [1, 1, 0]
    assert whole["same_end"].to_list() == [0, 1, 1]
    chunked = pa.concat_tables([tokens(pairs).slice(0, 1), tokens(pairs).slice(1)])
    assert pair_lengths(chunked).equals(whole)
    assert pair_lengths(tokens(pairs).slice(1)).equals(whole.slice(1))


def test_offered_lengths_end_with_the_first_that_cuts_nothing():
    lengths = pl.DataFrame({"prompt": [900], "chosen": [200], "rejected": [5]})
    assert offered(lengths) == [256, 512, 1024, 2048]
    assert sparkline(longest_side(lengths)).endswith("█ 1,100")
