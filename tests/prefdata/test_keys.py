"""Keys that stand for texts."""

from __future__ import annotations

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from prefdata.keys import repeated


@given(st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 3)))
def test_a_key_is_repeated_where_it_occurs_more_than_once(keys: list[int]) -> None:
    column = pl.Series(keys, dtype=pl.UInt64)
    assert repeated(column).to_list() == [keys.count(key) > 1 for key in keys]
    assert column.to_list() == keys
