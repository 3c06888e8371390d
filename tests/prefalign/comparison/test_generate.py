"""Completions of a batch are those of its prompts alone: padding on the left changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from prefalign.comparison.generate import complete
from prefalign.config import Model
from prefalign.models.loading import load_model
from prefdata.tokens import load_tokenizer

PROMPTS = ["Hi", "Write a short poem about the sea, about waves that rise and waves that fall."]


@pytest.mark.parametrize("limit", [1, 12])
def test_a_batch_writes_what_each_prompt_alone_gets(tiny_model: Path, limit: int) -> None:
    tokenizer = load_tokenizer(str(tiny_model))
    model = load_model(Model(name=str(tiny_model)), "fp32")
    prompts = [tokenizer(text)["input_ids"] for text in PROMPTS]
    together = complete(model, tokenizer, prompts, max_new_tokens=limit)
    alone = [complete(model, tokenizer, [ids], max_new_tokens=limit)[0] for ids in prompts]
    assert together == alone
    assert all(len(tokenizer(text)["input_ids"]) <= limit + 1 for text in together)
