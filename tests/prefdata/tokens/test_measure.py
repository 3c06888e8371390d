"""Facts of many pairs: refused ones among them, in batches, and equal to those of ids alone."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from transformers import PreTrainedTokenizerBase

from prefdata.tokens import load_tokenizer, measure_pairs, render_frame, token_facts
from prefdata.types import Message
from tests.prefdata.tokens.pairs import frame, pair, real_pairs, turns
from tests.prefdata.tokens.test_render import STRICT


@pytest.fixture
def tokenizer(tiny_model: Path) -> PreTrainedTokenizerBase:
    return load_tokenizer(tiny_model)


@pytest.mark.parametrize("truncation", ["drop", "keep_start", "keep_end"])
def test_has_the_facts_of_the_ids(tokenizer: PreTrainedTokenizerBase, truncation: str) -> None:
    pairs = frame(*real_pairs())
    expected = token_facts(render_frame(tokenizer, pairs), 200, truncation)
    measured = measure_pairs(tokenizer, pairs, 200, truncation)
    assert_frame_equal(measured.select(expected.columns), expected)
    assert measured["too_long"].any()


def test_a_refused_pair_has_no_other_fact(tokenizer: PreTrainedTokenizerBase) -> None:
    tokenizer.chat_template = STRICT
    pairs = [
        pair(turns("Hi", system="No") if i % 3 == 1 else f"Hi {i}", f"<|im_end|>{i}", "b", row=i)
        for i in range(1500)
    ]
    done: list[int] = []
    facts = measure_pairs(tokenizer, frame(*pairs), 64, progress=done.append)
    assert sum(done) == 1500
    assert facts["id"].to_list() == frame(*pairs)["id"].to_list()
    assert facts["refusal"].is_not_null().arg_true().to_list() == list(range(1, 1500, 3))
    assert set(facts["refusal"].drop_nulls()) == {"no system role here"}
    refused = facts.filter(pl.col("refusal").is_not_null()).drop("id", "refusal")
    assert all(column.null_count() == len(column) for column in refused)
    kept = facts.filter(pl.col("refusal").is_null())
    assert set(kept["special_token"]) == {"chosen holds <|im_end|>"}
    assert kept["chosen_tokens"].null_count() == 0


def test_all_refused_and_none_at_all(tokenizer: PreTrainedTokenizerBase) -> None:
    tokenizer.chat_template = STRICT
    refused = frame(pair(turns("Hi", system="No"), "a", "b"))
    facts = measure_pairs(tokenizer, refused, 64)
    assert facts["refusal"].to_list() == ["no system role here"]
    assert measure_pairs(tokenizer, refused.clear(), 64).schema == facts.schema


def test_placeholders_of_images_are_meant(tokenizer: PreTrainedTokenizerBase) -> None:
    asked = "Which colour? <|endoftext|>"
    pairs = frame(pair(asked, "Blue.", "Red."), pair(asked, "Blue.", "Red.", images=("a.png",)))
    found = measure_pairs(tokenizer, pairs, 64)["special_token"].to_list()
    assert found == ["prompt holds <|endoftext|>", None]


def test_control_tokens_in_thinking_and_in_calls(tokenizer: PreTrainedTokenizerBase) -> None:
    thinking = Message("assistant", "Blue.", thinking="<|im_start|>")
    call = '[{"type": "function", "function": {"name": "<|im_end|>", "arguments": {}}}]'
    calling = Message("assistant", "Blue.", tool_calls=call)
    pairs = frame(pair("a", (thinking,), "Red."), pair("a", "Red.", (calling,)))
    found = measure_pairs(tokenizer, pairs, 64)["special_token"].to_list()
    assert found == ["chosen holds <|im_start|>", "rejected holds <|im_end|>"]


@pytest.mark.parametrize("tools", [None, "[]"])
def test_no_tools_are_not_ignored(tokenizer: PreTrainedTokenizerBase, tools: str | None) -> None:
    pairs = frame(pair("a", "Blue.", "Red.", tools=tools))
    assert measure_pairs(tokenizer, pairs, 64)["tools_ignored"].to_list() == [False]


def test_a_template_that_needs_tools_does_not_ignore_them(
    tokenizer: PreTrainedTokenizerBase,
) -> None:
    needed = "{% if not tools %}{{ raise_exception('no tools') }}{% endif %}"
    tokenizer.chat_template = needed + tokenizer.chat_template
    pairs = frame(pair("a", "Blue.", "Red.", tools='[{"name": "f"}]'))
    assert measure_pairs(tokenizer, pairs, 64)["tools_ignored"].to_list() == [False]


def test_white_space_after_the_end_is_no_end(tokenizer: PreTrainedTokenizerBase) -> None:
    tokenizer.chat_template = "{% for m in messages %}{{ m.content }}{% endfor %}"
    ends = ["<|im_end|>", "<|im_end|> \n\n", "<|im_end|>\n<|im_end|>\n", "Blue.", "<|im_start|>"]
    pairs = frame(*(pair("a", "Blue." + end, "Red.<|im_end|>") for end in ends))
    facts = measure_pairs(tokenizer, pairs, 64)
    instead = "instead of <|im_end|>"
    assert facts["missing_eos"].to_list() == [
        *[None] * 3,
        f"chosen ends with '.' {instead}",
        f"chosen ends with '<|im_start|>' {instead}",
    ]
    twice = "chosen ends with <|im_end|> twice"
    assert facts["doubled_eos"].to_list() == [None, None, twice, None, None]


def test_a_completion_of_no_tokens_does_not_end(tokenizer: PreTrainedTokenizerBase) -> None:
    tokenizer.chat_template = "{{ messages[0].content }}"
    (found,) = measure_pairs(tokenizer, frame(pair("a", "Blue.", "Red.")), 64)["missing_eos"]
    assert found == "chosen has no tokens, rejected has no tokens"
