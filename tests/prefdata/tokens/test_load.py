"""Which tokenizer a name means, and what is said when there is none."""

import json
import shutil
from pathlib import Path

import pytest

from prefdata.errors import InputError
from prefdata.tokens import load_tokenizer


def edited(tiny_model: Path, directory: Path, **changes: object) -> Path:
    """A copy of the tiny tokenizer with changed settings; None removes one."""
    shutil.copytree(tiny_model, directory, ignore=shutil.ignore_patterns("*.safetensors"))
    path = directory / "tokenizer_config.json"
    settings = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({k: v for k, v in settings.items() if v is not None}))
    return directory


def write_gguf(path: Path, tiny_model: Path) -> None:
    """Writes the vocabulary of the tiny tokenizer as llama.cpp stores one; no weights."""
    import gguf

    model = json.loads((tiny_model / "tokenizer.json").read_text())["model"]
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(64)
    writer.add_tokenizer_model("gpt2")
    vocabulary = sorted(model["vocab"], key=model["vocab"].__getitem__)
    writer.add_token_list(vocabulary)
    writer.add_token_types([3 if token.startswith("<|") else 1 for token in vocabulary])
    writer.add_token_merges([" ".join(merge) for merge in model["merges"]])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(vocabulary.index("<|im_end|>"))
    writer.add_chat_template((tiny_model / "chat_template.jinja").read_text())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()


def test_a_directory(tiny_model: Path) -> None:
    assert load_tokenizer(tiny_model).eos_token == "<|im_end|>"
    assert load_tokenizer(str(tiny_model)).chat_template


@pytest.mark.parametrize("by", ["file", "directory"])
def test_a_gguf_reads_as_the_tokenizer_it_was_made_from(
    tiny_model: Path, tmp_path: Path, by: str
) -> None:
    write_gguf(tmp_path / "tiny.gguf", tiny_model)
    loaded = load_tokenizer(tmp_path / "tiny.gguf" if by == "file" else tmp_path)
    text = "<|im_start|>user\nWhat is the capital of France? 日本<|im_end|>\n"
    expected = load_tokenizer(tiny_model)(text, add_special_tokens=False)["input_ids"]
    assert loaded(text, add_special_tokens=False)["input_ids"] == expected
    assert loaded.eos_token == "<|im_end|>"


def test_two_ggufs_are_not_chosen_between(tmp_path: Path) -> None:
    for name in ("a.gguf", "b.gguf"):
        (tmp_path / name).touch()
    with pytest.raises(InputError, match=r"holds 2 GGUF files: a\.gguf, b\.gguf") as caught:
        load_tokenizer(tmp_path)
    assert str(tmp_path / "a.gguf") in str(caught.value.hint)


def test_no_template(tiny_model: Path, tmp_path: Path) -> None:
    directory = edited(tiny_model, tmp_path / "plain", chat_template=None)
    (directory / "chat_template.jinja").unlink()
    with pytest.raises(InputError, match="has no chat template") as caught:
        load_tokenizer(directory)
    assert "--chat-template FILE" in str(caught.value.hint)


def test_no_eos(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no end-of-sequence token"):
        load_tokenizer(edited(tiny_model, tmp_path / "endless", eos_token=None))


@pytest.mark.parametrize("name", ["./nowhere", "/nowhere/model", "missing.gguf"])
def test_a_path_that_is_not_there(name: str) -> None:
    with pytest.raises(InputError, match="no such file or directory"):
        load_tokenizer(name)


def test_a_hub_name_that_is_not_in_the_offline_cache() -> None:
    with pytest.raises(InputError, match="cannot load the tokenizer of nobody/nothing") as caught:
        load_tokenizer("nobody/nothing")
    assert "looked up on the hub" in str(caught.value.hint)


def test_a_directory_without_a_tokenizer(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no tokenizer"):
        load_tokenizer(tmp_path)


def test_a_broken_tokenizer_file(tiny_model: Path, tmp_path: Path) -> None:
    directory = edited(tiny_model, tmp_path / "broken")
    (directory / "tokenizer.json").write_text("{")
    with pytest.raises(InputError, match="cannot load the tokenizer of"):
        load_tokenizer(directory)


def test_some_other_file(tmp_path: Path) -> None:
    (tmp_path / "pairs.jsonl").touch()
    with pytest.raises(InputError, match="not a tokenizer"):
        load_tokenizer(tmp_path / "pairs.jsonl")
