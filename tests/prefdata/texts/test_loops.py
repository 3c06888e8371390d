"""Loops at the end of texts."""

from __future__ import annotations

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from prefdata.texts.loops import Loop, loop, may_loop

words = st.text("ab ,.é蓝1", min_size=1, max_size=30)


@given(words, words, st.integers(0, 120))
def test_the_fast_test_lets_every_loop_through(start: str, unit: str, times: int) -> None:
    text = start + unit * times
    if loop(text, times=4, characters=100):
        assert pl.select(may_loop(pl.lit(text), 4)).item()


@given(words, words, st.integers(4, 100))
def test_what_is_repeated_is_found(start: str, unit: str, times: int) -> None:
    repeated = unit * times
    found = loop(start + repeated, times=4, characters=20)
    if len(repeated.strip()) > 40 and any(map(str.isalnum, unit)):
        assert found
        assert len(found.unit) <= len(unit)
        assert (start + repeated).rstrip().endswith(found.unit * found.times)


@given(st.text(max_size=300))
def test_no_text_is_too_odd(text: str) -> None:
    loop(text, times=4, characters=100)


def test_the_last_repetition_may_be_cut() -> None:
    text = "Yes. " + "I am writing to you. " * 6 + "I am wr"
    found = loop(text, times=4, characters=100)
    assert found == Loop(unit="iting to you. I am wr", times=6)


def test_a_frame_is_no_loop() -> None:
    assert loop("-" * 200, times=4, characters=100) is None
    assert loop("| | " * 100, times=4, characters=100) is None
