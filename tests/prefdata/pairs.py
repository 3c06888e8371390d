"""Canonical pairs from few words, and any pairs at all, for tests of rules, curation and splits."""

from __future__ import annotations

from typing import Any

import polars as pl
from hypothesis import strategies as st

from prefdata.frame import pairs_table, to_polars
from prefdata.types import ROLES, Message, Messages, Origin, Pair


def turn(text: str | None, role: str = "assistant", **fields: Any) -> Message:
    return Message(role, text, **fields)  # type: ignore[arg-type]


def pair(prompt: str, chosen: str, rejected: str, row: int = 1, **columns: Any) -> Pair:
    """A pair of `t.jsonl` of one turn each."""
    return Pair(
        prompt=(turn(prompt, "user"),),
        chosen=(turn(chosen),),
        rejected=(turn(rejected),),
        origin=Origin("t", "t.jsonl", row),
        **columns,
    )


def frame(*pairs: Pair) -> pl.DataFrame:
    return to_polars(pairs_table(pairs))


# Few words, so that equal prompts, equal sides and repeats are common.
WORDS = st.sampled_from(["", " ", "a", "a ", "b", "a\nb", "<|im_end|>", "\x1b[31m", "é", "日本"])
TEXTS = st.one_of(WORDS, WORDS, st.text(max_size=20))
MESSAGES = st.builds(
    Message,
    role=st.sampled_from(ROLES),
    content=st.none() | TEXTS,
    tool_calls=st.none() | st.just("[]"),
    thinking=st.none() | WORDS,
)
SCORES = st.none() | st.floats(allow_subnormal=False) | st.integers(0, 2).map(float)


def conversations(least: int) -> st.SearchStrategy[Messages]:
    return st.lists(MESSAGES, min_size=least, max_size=3).map(tuple)


PAIRS = st.builds(
    Pair,
    prompt=conversations(0),
    chosen=conversations(0),
    rejected=conversations(0),
    tools=st.none() | st.just("[]"),
    chosen_score=SCORES,
    rejected_score=SCORES,
    margin=SCORES,
    origin=st.builds(  # a ranking gives several pairs of one row
        Origin, st.just("s"), st.sampled_from(["a.jsonl", "b.jsonl"]), st.integers(1, 9)
    ),
)
FRAMES = st.lists(PAIRS, max_size=12).map(lambda pairs: frame(*pairs))
PLAIN_FRAMES = st.lists(st.builds(pair, WORDS, WORDS, WORDS, st.integers(1, 99)), max_size=12).map(
    lambda pairs: frame(*pairs)
)
