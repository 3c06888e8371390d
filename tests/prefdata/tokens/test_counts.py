"""What a max_length does to real files, against a count that takes its time and none of our code."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any, TypeAlias

import polars as pl
import pytest

from prefdata.conversion import convert
from prefdata.lint import lint
from prefdata.tokens import measure_pairs
from tests.prefdata.tokens.families import tokenizer_of

FOLDER = Path(__file__).parents[2] / "fixtures" / "tokens"
Talk: TypeAlias = list[dict[str, str]]
Sides: TypeAlias = tuple[Talk, Talk, Talk]  # prompt, chosen, rejected


def hh_rlhf(text: str) -> Iterator[Sides]:
    for line in text.splitlines():
        row = json.loads(line)
        chosen, rejected = (transcript(row[side]) for side in ("chosen", "rejected"))
        if chosen[:-1] == rejected[:-1] and chosen != rejected:
            yield chosen[:-1], chosen[-1:], rejected[-1:]


def transcript(text: str) -> Talk:
    turns = re.split(r"\n\n(Human|Assistant):", text)[1:]
    roles = {"Human": "user", "Assistant": "assistant"}
    return [
        {"role": roles[who], "content": said.strip()}
        for who, said in zip(turns[::2], turns[1::2], strict=True)
    ]


def llama_factory(text: str) -> Iterator[Sides]:
    roles = {"human": "user", "gpt": "assistant", "system": "system"}
    for row in json.loads(text):
        sides = row["conversations"], [row["chosen"]], [row["rejected"]]
        yield tuple([{"role": roles[m["from"]], "content": m["value"]} for m in s] for s in sides)


def openai(text: str) -> Iterator[Sides]:
    for line in text.splitlines():
        row = json.loads(line)
        yield row["input"]["messages"], row["preferred_output"], row["non_preferred_output"]


FILES: dict[str, Callable[[str], Iterator[Sides]]] = {
    "hh-rlhf.jsonl": hh_rlhf,
    "llama-factory-en.json": llama_factory,
    "openai.jsonl": openai,
}


@pytest.fixture(scope="module")
def smollm2() -> Any:
    return tokenizer_of("smollm2")


@pytest.mark.parametrize("file", FILES)
def test_counts_are_those_of_a_slow_count(file: str, smollm2: Any) -> None:
    path = FOLDER / file
    compare(path, FILES[file](path.read_text("utf-8")), smollm2)


def compare(path: Path, rows: Iterator[Sides], tokenizer: Any) -> list[dict[str, int]]:
    """Asserts that both counts agree at every length, and returns them."""
    ids = [rendered(tokenizer, *sides) for sides in rows]
    pairs = convert([path]).pairs
    assert pairs.height == len(ids)
    expected = [slow_count(ids, length) for length in (128, 256, 512)]
    assert [our_count(pairs, tokenizer, length) for length in (128, 256, 512)] == expected
    return expected


def rendered(tokenizer: Any, prompt: Talk, *sides: Talk) -> list[list[int]]:
    """Token ids of prompt, chosen and rejected; the prompt is what all begin with."""
    alone = tokenizer.apply_chat_template(prompt, add_generation_prompt=True)["input_ids"]
    whole = [tokenizer.apply_chat_template(prompt + side)["input_ids"] for side in sides]
    shared = list(takewhile(lambda tokens: len(set(tokens)) == 1, zip(alone, *whole, strict=False)))
    return [alone[: len(shared)], *(side[len(shared) :] for side in whole)]


def slow_count(ids: list[list[list[int]]], max_length: int) -> dict[str, int]:
    counts = {"emptied": 0, "truncated": 0, "identical": 0}
    for prompt, chosen, rejected in ids:
        left = [(prompt + side)[:max_length][len(prompt) :] for side in (chosen, rejected)]
        if left == [[], []]:
            counts["emptied"] += 1
            continue
        counts["truncated"] += left != [chosen, rejected]
        counts["identical"] += left[0] == left[1] and chosen != rejected
    return counts


def our_count(pairs: pl.DataFrame, tokenizer: Any, max_length: int) -> dict[str, int]:
    names = {
        "prompt-fills-max-length": "emptied",
        "completion-truncated": "truncated",
        "identical-after-truncation": "identical",
    }
    tokens = measure_pairs(tokenizer, pairs, max_length)
    return {names[r.name]: r.count for r in lint(pairs, select=names, tokens=tokens).rules}
