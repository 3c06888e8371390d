"""Chat templates that a run file sets: what is rendered, what is saved, what is refused and remarked on."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from prefalign.config import Model, RunConfig
from prefalign.models.tokenizer import end_remark, tokenizer_of
from prefalign.progress import Silence
from prefalign.run import train
from prefdata.errors import InputError
from prefdata.tokens import render_frame
from prefdata.tokens.templates import template_names
from tests.prefalign.toys import write_toy_pairs
from tests.prefdata.tokens.pairs import frame, pair
from tests.tiny import CHATML

TALK = frame(pair("Hi", "yes", "no"))


@pytest.fixture
def base_model(tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tiny model without a chat template, as base models are."""
    monkeypatch.setenv("PREFALIGN_CACHE", str(tmp_path / "cache"))
    base = tmp_path / "base"
    shutil.copytree(tiny_model, base)
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.chat_template = None
    (base / "chat_template.jinja").unlink(missing_ok=True)
    tokenizer.save_pretrained(base)
    return base


def rendered(model: Model) -> tuple[str, str]:
    """Returns the text of the prompt and of the chosen completion."""
    tokenizer = tokenizer_of(model)
    row = render_frame(tokenizer, TALK).to_pylist()[0]
    return tokenizer.decode(row["prompt_ids"]), tokenizer.decode(row["chosen_ids"])


def test_a_base_model_needs_a_choice(base_model: Path) -> None:
    with pytest.raises(InputError, match="has no chat template") as caught:
        tokenizer_of(Model(name=str(base_model)))
    hint = str(caught.value.hint)
    for choice in ("model.chat_template", "a Jinja file", *template_names()):
        assert choice in hint


def test_a_template_is_a_file_a_model_s_or_one_that_comes_along(
    base_model: Path, tiny_model: Path, tmp_path: Path
) -> None:
    def with_template(template: Any) -> tuple[str, str]:
        return rendered(Model(name=str(base_model), chat_template=str(template)))

    chatml = ("<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n", "yes<|im_end|>\n")
    assert with_template("chatml") == chatml
    assert with_template(tiny_model) == chatml
    file = tmp_path / "mine.jinja"
    file.write_text(CHATML.replace("im_start", "endoftext"))
    assert with_template(file)[0] == chatml[0].replace("im_start", "endoftext")
    assert with_template("tulu") == ("<|user|>\nHi\n<|assistant|>\n", "yes<|im_end|>")
    tokenizer = AutoTokenizer.from_pretrained(base_model)
    tokenizer.bos_token = "<|endoftext|>"
    tokenizer.save_pretrained(base_model)
    assert with_template("tulu")[0] == "<|endoftext|><|user|>\nHi\n<|assistant|>\n"


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("gone.jinja", "gone.jinja: cannot read the chat template"),
        ("chat-ml", "cannot load the tokenizer of chat-ml"),
        ("BASE", "has no chat template to take"),
    ],
)
def test_a_template_that_is_not_there(base_model: Path, template: str, said: str) -> None:
    wanted = template.replace("BASE", str(base_model))
    with pytest.raises(InputError, match=said) as caught:
        tokenizer_of(Model(name=str(base_model), chat_template=wanted))
    assert caught.value.hint or "gone" in template


def test_the_trained_model_has_the_template_it_was_trained_with(
    base_model: Path, tmp_path: Path
) -> None:
    prints = []
    for template in ("tulu", "chatml"):
        settings = {
            "data": {"train": str(write_toy_pairs(tmp_path / "train.parquet", 8))},
            "model": {"name": str(base_model), "chat_template": template},
            "method": {"name": "orpo"},
            "optim": {"max_steps": 1},
            "hardware": {"device": "cpu", "precision": "fp32"},
            "output": {"dir": str(tmp_path / template)},
        }
        record = train(RunConfig.model_validate(settings), Silence())
        prints.append(record.train.token_fingerprint)
        saved = AutoTokenizer.from_pretrained(tmp_path / template / "model")
        want = tokenizer_of(Model(name=str(base_model), chat_template=template))
        assert saved.chat_template == want.chat_template
    assert prints[0] != prints[1]


def test_an_end_at_which_nothing_stops_is_remarked_on(base_model: Path) -> None:
    def remark(template: str) -> str | None:
        return end_remark(Model(name=str(base_model), chat_template=template))

    def stops_at(ids: int | list[int]) -> None:
        (base_model / "generation_config.json").write_text(json.dumps({"eos_token_id": ids}))

    (base_model / "generation_config.json").unlink(missing_ok=True)
    assert remark("chatml") is None  # EOS is <|im_end|>
    stops_at(0)
    assert "ends answers with '<|im_end|>'" in str(remark("chatml"))
    stops_at([0, 2])
    assert remark("chatml") is None
    tokenizer = AutoTokenizer.from_pretrained(base_model)
    tokenizer.eos_token = "<|endoftext|>"
    tokenizer.save_pretrained(base_model)
    stops_at(0)
    assert "generation will not stop (EOS is '<|endoftext|>')" in str(remark("chatml"))
    assert remark("tulu") is None
