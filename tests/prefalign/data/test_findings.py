"""Sets that are refused before a model is loaded."""

from pathlib import Path

import pytest

from prefalign.config import Data
from prefalign.data.findings import refuse_fatal
from prefalign.tokenise import tokenise
from prefdata.errors import PrefError
from prefdata.tokens import load_tokenizer
from prefdata.types import Message, Pair
from tests.prefdata.tokens.pairs import frame, pair, real_pairs, turns

LONG = "word " * 60


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFALIGN_CACHE", str(tmp_path / "cache"))


def refuse(
    model: Path, pairs: list[Pair], max_length: int = 1024, truncation: str = "drop"
) -> None:
    data = Data(train="t.parquet", max_length=max_length, truncation=truncation)
    table = frame(*pairs)
    refuse_fatal(table, tokenise(table, load_tokenizer(model), data), "t.parquet")


def refusal(*arguments: object, **options: object) -> PrefError:
    with pytest.raises(PrefError) as caught:
        refuse(*arguments, **options)  # type: ignore[arg-type]
    return caught.value


def test_good_pairs_pass(tiny_model: Path) -> None:
    refuse(tiny_model, real_pairs(), max_length=4096)


def test_identical_pairs(tiny_model: Path) -> None:
    bad = pair("Hi", "same", "same", row=7)
    error = refusal(tiny_model, [pair("Hi", "a", "b"), bad])
    id_ = frame(bad)["id"][0]
    assert error.message == (
        "t.parquet: 1 of 2 pairs cannot be trained on\n"
        "  identical-pair: 1 pair\n"
        f"    t.jsonl:7 ({id_})"
    )
    assert error.hint == "take them out: prefdata curate t.parquet -o clean.parquet"
    assert error.exit_code == 2


@pytest.mark.parametrize("empty", ["", "  \n"])
def test_empty_completions(tiny_model: Path, empty: str) -> None:
    error = refusal(tiny_model, [pair("Hi", empty, "b", row=3), pair("Hi", "a", empty, row=4)])
    assert "empty-completion: 2 pairs\n    t.jsonl:3 (" in error.message
    assert "t.jsonl:4 (" in error.message


def test_a_completion_that_the_template_drops(tiny_model: Path, tmp_path: Path) -> None:
    tokenizer = load_tokenizer(tiny_model)
    tokenizer.chat_template = (
        "{% for m in messages if m.role == 'user' %}{{ m.content }}{% endfor %}"
    )
    tokenizer.save_pretrained(tmp_path / "deaf")
    error = refusal(tmp_path / "deaf", [pair("Hi", "a", "b")])
    assert "empty-completion: 1 pair" in error.message


def test_a_prompt_that_leaves_no_room(tiny_model: Path) -> None:
    pairs = [pair("Hi", "a", "b"), pair(LONG, "a", "b", row=2)]
    error = refusal(tiny_model, pairs, max_length=60, truncation="keep_start")
    assert "1 of 2 pairs" in error.message
    assert "prompt-fills-max-length: 1 pair\n    t.jsonl:2 (" in error.message
    assert error.hint == "raise data.max_length from 60, or set data.truncation to drop"


def test_sides_that_become_the_same_when_cut(tiny_model: Path) -> None:
    pairs = [pair("Hi", LONG + "one", LONG + "two")]
    error = refusal(tiny_model, pairs, max_length=40, truncation="keep_start")
    assert "identical-after-truncation: 1 pair" in error.message
    refuse(tiny_model, pairs)
    refuse(tiny_model, [*pairs, pair("Hi", "a", "b")], max_length=40)  # dropped, so not fatal


def test_sides_that_the_template_makes_the_same(tiny_model: Path) -> None:
    thought = (Message("assistant", "a", thinking="hm"),)
    error = refusal(tiny_model, [pair("Hi", thought, "a")])
    assert "identical-after-rendering: 1 pair" in error.message
    assert "template" in str(error.hint)


def test_a_prompt_that_shares_no_token_with_the_whole(tiny_model: Path, tmp_path: Path) -> None:
    tokenizer = load_tokenizer(tiny_model)
    tokenizer.chat_template = "{{ 'ab'[add_generation_prompt | int] }}" + tokenizer.chat_template
    tokenizer.save_pretrained(tmp_path / "two-faced")
    error = refusal(tmp_path / "two-faced", [pair("Hi", "a", "b")])
    assert "unstable-template-prefix: 1 pair" in error.message


def test_no_pair_left(tiny_model: Path) -> None:
    error = refusal(tiny_model, [pair(turns(LONG), "a", "b")], max_length=16)
    assert error.message == ("t.parquet: not one pair of 1 is left: 1 too-long, max_length is 16")
    assert "data.max_length" in str(error.hint)


def test_an_empty_set(tiny_model: Path) -> None:
    empty = frame(pair("Hi", "a", "b")).clear()
    store = tokenise(empty, load_tokenizer(tiny_model), Data(train="t.parquet"))
    with pytest.raises(PrefError) as caught:
        refuse_fatal(empty, store, "t.parquet")
    assert caught.value.message == "t.parquet: not one pair of 0 is left"


def test_five_rows_a_rule_are_named_and_the_rest_counted(tiny_model: Path) -> None:
    pairs = [pair(f"Hi {i}", "same", "same", row=i) for i in range(1, 9)]
    pairs += [pair("Hi", "", "b", row=20)]
    error = refusal(tiny_model, pairs)
    assert "9 of 9 pairs" in error.message
    assert "identical-pair: 8 pairs\n    t.jsonl:1 (" in error.message
    assert error.message.count("t.jsonl:") == 6
    assert "    and 3 more\n  empty-completion: 1 pair\n    t.jsonl:20 (" in error.message
