"""Axolotl and LLaMA-Factory, where they are installed: their own code builds what we show."""

from pathlib import Path
from typing import Any

import pytest

from prefdata.errors import InputError
from prefdata.tokens import load_tokenizer
from prefdata.tokens.trainers import Refused, Seen, open_trainer
from tests.prefdata.tokens.pairs import frame, pair, turns

ROW = next(frame(pair("Capital?", "It is Paris.", "London")).iter_rows(named=True))
TWO = next(frame(pair("q", turns("a", "b", "c", first="assistant"), "d")).iter_rows(named=True))


@pytest.fixture
def tokenizer(tiny_model: Path) -> Any:
    return load_tokenizer(tiny_model)


def test_llama_factory_writes_its_own_template(tokenizer: Any) -> None:
    pytest.importorskip("llamafactory.data.template", exc_type=Exception)
    seen = open_trainer("llamafactory:qwen", tokenizer).see(ROW)
    assert isinstance(seen, Seen)
    prompt = tokenizer.decode(seen.chosen.prompt.ids)
    assert prompt.endswith("<|im_start|>user\nCapital?<|im_end|>\n<|im_start|>assistant\n")
    assert tokenizer.decode(seen.chosen.completion.ids) == "It is Paris.<|im_end|>\n"
    cut = open_trainer("llamafactory:qwen", tokenizer, max_length=20).see(ROW)
    assert isinstance(cut, Seen)
    assert len(cut.chosen.read) == 20
    assert cut.chosen.prompt.cut > 0
    assert isinstance(open_trainer("llamafactory:qwen", tokenizer).see(TWO), Refused)
    with pytest.raises(InputError, match="no_such"):
        open_trainer("llamafactory:no_such", tokenizer)


def test_axolotl_writes_its_own_text(tokenizer: Any) -> None:
    pytest.importorskip("axolotl.prompt_strategies.dpo", exc_type=Exception)
    seen = open_trainer("axolotl:chat_template.default", tokenizer).see(ROW)
    assert isinstance(seen, Seen)
    text = tokenizer.decode(seen.chosen.prompt.ids)
    assert text == "<|im_start|>user\nCapital?<|im_end|>\n<|im_start|>assistant\n"
    assert tokenizer.decode(seen.chosen.completion.ids) == "It is Paris.<|im_end|>"
    short = open_trainer("axolotl:chat_template.default", tokenizer, max_length=10).see(ROW)
    assert isinstance(short, Seen)
    assert short.dropped
    assert isinstance(open_trainer("axolotl:chat_template.default", tokenizer).see(TWO), Refused)
    with pytest.raises(InputError, match="no such strategy"):
        open_trainer("axolotl:no_such.thing", tokenizer)
