"""Rendering a frame: order, batches, progress, and what is said about rows no template takes."""

from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from prefdata.errors import InputError
from prefdata.tokens import load_tokenizer, render, render_frame
from prefdata.tokens.encode import choose_encoder
from prefdata.tokens.render import TOKENS, encoder_for, render_batches
from prefdata.types import Message, Pair
from tests.prefdata.tokens.pairs import frame, pair, turns

STRICT = (
    "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system role here') }}{% endif %}"
    "{{ m.role + ':' + m.content + '\n' }}{% endfor %}"
)


def test_batches_do_not_show(tiny_model: Path) -> None:
    tokenizer = load_tokenizer(tiny_model)
    pairs = [pair(f"question {i % 700}", f"answer {i}", "none", row=i + 1) for i in range(1500)]
    done: list[int] = []
    table = render_frame(tokenizer, frame(*pairs), done.append)
    assert table.schema == TOKENS
    assert sum(done) == len(table) == 1500
    assert len(done) > 1
    assert table["id"].to_pylist() == frame(*pairs)["id"].to_list()
    for i in (0, 1023, 1024, 1499):
        p = pairs[i]
        row = table.slice(i, 1).drop_columns("id").to_pylist()[0]
        assert row == render(tokenizer, p.prompt, p.chosen, p.rejected)._asdict()


def test_a_prompt_with_other_arguments_is_another_prompt(tiny_model: Path) -> None:
    tokenizer = load_tokenizer(tiny_model)
    tokenizer.chat_template = "{{ mood or 'none' }}" + tokenizer.chat_template
    pairs = [pair("Hi", "a", "b", chat_template_kwargs=k) for k in (None, '{"mood": "sad"}')]
    plain, sad = render_frame(tokenizer, frame(*pairs)).to_pylist()
    assert tokenizer.decode(plain["prompt_ids"]).startswith("none<|im_start|>")
    assert tokenizer.decode(sad["prompt_ids"]).startswith("sad<|im_start|>")


def many(*others: Pair) -> pl.DataFrame:
    """Enough pairs to prove a faster library on, with some others in their middle."""
    made = [
        pair(f"question {i % 700}", f"naïve answer {i}", "none", row=i + 1) for i in range(2100)
    ]
    return frame(*made[:1000], *others, *made[1000:])


def test_a_proven_encoder_has_the_tokenizers_ids(tiny_model: Path) -> None:
    tokenizer = load_tokenizer(tiny_model)
    pairs = many(
        pair("Say <|im_end|> aloud", "<|im_end|>\n<|im_start|>", "<|im_", row=2101),
        pair(turns("日本語 🤖", system="Be brief."), "e\u0301 \u202e", "", row=2102),
    )
    encoder = encoder_for(tokenizer, pairs)
    assert encoder.library.startswith(("fastokens ", "tokenizers "))
    slow = choose_encoder(tokenizer, [])
    expected = pa.Table.from_batches(render_batches(tokenizer, pairs, slow), TOKENS)
    assert render_frame(tokenizer, pairs).equals(expected)


def test_few_pairs_are_not_worth_a_proof(tiny_model: Path) -> None:
    encoder = encoder_for(load_tokenizer(tiny_model), frame(pair("a", "b", "c")))
    assert encoder.library.startswith("transformers ")


def test_rows_refused_in_a_large_set(tiny_model: Path) -> None:
    tokenizer = load_tokenizer(tiny_model)
    tokenizer.chat_template = STRICT
    bad = [pair(turns(f"Hi {i}", system="Be brief"), "a", "b", row=3000 + i) for i in range(2)]
    with pytest.raises(InputError, match="refuses 2 pairs"):
        render_frame(tokenizer, many(*bad))


def test_no_pairs(tiny_model: Path) -> None:
    table = render_frame(load_tokenizer(tiny_model), frame(pair("a", "b", "c")).clear())
    assert table.schema == TOKENS
    assert len(table) == 0


def test_refused_rows_are_named_and_counted(tiny_model: Path) -> None:
    tokenizer = load_tokenizer(tiny_model)
    tokenizer.chat_template = STRICT
    good = pair("Hi", "a", "b", row=1)
    bad = [pair(turns(f"Hi {i}", system="Be brief"), "a", "b", row=i) for i in range(2, 9)]
    with pytest.raises(InputError) as caught:
        render_frame(tokenizer, frame(good, *bad))
    text = caught.value.message
    assert text.startswith("the chat template refuses 7 pairs:")
    assert "t.jsonl:2 (" in text
    assert "no system role here" in text
    assert "t.jsonl:7 (" not in text
    assert text.endswith("and 2 more")


def test_an_empty_prompt(tiny_model: Path) -> None:
    with pytest.raises(InputError, match="the prompt is empty"):
        render(load_tokenizer(tiny_model), (), turns("a"), turns("b"))


def test_a_row_may_not_say_what_is_rendered(tiny_model: Path) -> None:
    message = (Message("user", "Hi"),)
    with pytest.raises(InputError, match="may not set add_generation_prompt"):
        render(
            load_tokenizer(tiny_model), message, message, message, None,
            '{"add_generation_prompt": true}',
        )  # fmt: skip


def test_content_a_template_cannot_join(tiny_model: Path) -> None:
    calls = (Message("assistant", None, tool_calls="[]"),)
    with pytest.raises(InputError, match="content"):
        render(load_tokenizer(tiny_model), turns("Hi"), calls, turns("b"))
