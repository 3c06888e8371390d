"""Encoders: their ids are the tokenizer's, or they are not used; and each text is tokenised once."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from prefdata.tokens import encode as encoding
from prefdata.tokens import load_tokenizer
from prefdata.tokens.encode import Encoder, boundaries, choose_encoder
from prefdata.tokens.encode_lists import IdLists, split_pairs
from prefdata.tokens.template import PairTexts
from tests.tiny import CHATML, CORPUS

fastokens = pytest.importorskip("fastokens")

SPECIAL = ("<|im_start|>", "<|im_end|>", "<|endoftext|>")
PIECES = st.sampled_from(
    [*SPECIAL, "<|im_", "|>", "user\n", " assistant", "naïve 🤖", "日本語", "\n"]
)
TEXTS = st.lists(st.one_of(PIECES, st.text(max_size=6)), max_size=12).map("".join)


@pytest.fixture(scope="module")
def tokenizer(tiny_model: Path) -> PreTrainedTokenizerBase:
    return load_tokenizer(tiny_model)


def ids(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def lists(found: IdLists) -> list[list[int]]:
    return found.to_arrow().to_pylist()


def sample(n: int = 4) -> list[PairTexts]:
    prompts = [f"<|im_start|>user\n{line} {i}<|im_end|>\n" for i in range(n) for line in CORPUS]
    return [PairTexts(p, p + "Paris.<|im_end|>\n", p + "No.<|im_end|>\n") for p in prompts]


def metaspace(scheme: str) -> PreTrainedTokenizerFast:
    """A tokenizer of Llama 2's kind, in which a word knows whether it is the first of a text."""
    vocabulary = {c: i for i, c in enumerate("▁abcdefghijklmnopqrstuvwxyz ")}
    model = models.BPE(vocab={**vocabulary, "[UNK]": 50}, merges=[], unk_token="[UNK]")
    rules = Tokenizer(model)
    rules.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme)
    rules.decoder = decoders.Metaspace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=rules, eos_token="<e>")
    tokenizer.chat_template = CHATML
    return tokenizer


@pytest.mark.parametrize("make", ["_transformers", "_tokenizers", "_fastokens"])
@settings(max_examples=60)
@given(prompt=TEXTS, chosen=TEXTS, rejected=TEXTS, alone=TEXTS)
def test_every_encoder_has_the_tokenizers_ids(
    tokenizer: PreTrainedTokenizerBase,
    make: str,
    prompt: str,
    chosen: str,
    rejected: str,
    alone: str,
) -> None:
    encoder = getattr(encoding, make)(tokenizer)
    pairs = [
        PairTexts(prompt, prompt + chosen, prompt + rejected),
        PairTexts(prompt, alone, prompt + rejected),
    ]
    for _ in range(2):  # the second time from memory
        assert lists(encoder.encode(pairs)) == [ids(tokenizer, t) for pair in pairs for t in pair]


def test_each_piece_is_tokenised_once() -> None:
    seen: list[str] = []

    def backend(texts: list[str]) -> IdLists:
        seen.extend(texts)
        return IdLists.of([[len(text)] for text in texts])

    encoder = Encoder("test", backend, ["<a>", "<b>"])
    pair = PairTexts("<a>prompt<b>", "<a>prompt<b>yes<b>", "<a>prompt<b>no<b>")
    for _ in range(2):
        assert lists(encoder.encode([pair, pair])) == 2 * [
            [0, 3, 6, 3, 0],
            [0, 3, 6, 3, 3, 3, 0],
            [0, 3, 6, 3, 2, 3, 0],
        ]
    assert sorted(seen) == ["", "<a>", "<b>", "no", "prompt", "yes"]


def test_what_is_remembered_has_a_bound(
    tokenizer: PreTrainedTokenizerBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoding, "_REMEMBERED", 50)
    encoder = encoding._tokenizers(tokenizer)
    for pair in sample():
        assert lists(encoder.encode([pair])) == [ids(tokenizer, text) for text in pair]
        assert len(encoder._ids.values) < 200


def test_the_fast_library_is_taken_where_its_ids_are_equal(
    tokenizer: PreTrainedTokenizerBase,
) -> None:
    assert choose_encoder(tokenizer, sample()).library.startswith("fastokens ")
    assert choose_encoder(tokenizer, []).library.startswith("transformers ")


def test_other_ids_are_refused_and_said(
    tokenizer: PreTrainedTokenizerBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = json.loads(tokenizer.backend_tokenizer.to_str())
    rules["added_tokens"] = rules["added_tokens"][:1]  # then <|im_start|> is text to it
    other = fastokens.Tokenizer.from_json_str(json.dumps(rules))
    monkeypatch.setattr(fastokens.Tokenizer, "from_json_str", lambda _: other)
    encoder = choose_encoder(tokenizer, sample(2))
    assert encoder.library.startswith("tokenizers ")
    assert "fastokens" in encoder.library
    assert "gives 24 of 24 texts other ids" in encoder.library
    assert lists(encoder.encode(sample(1)[:1])) == [ids(tokenizer, t) for t in sample(1)[0]]


def test_a_tokenizer_the_fast_library_does_not_know() -> None:
    words = Tokenizer(models.WordLevel({"a": 0, "[UNK]": 1}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, eos_token="<e>")
    encoder = choose_encoder(tokenizer, [PairTexts("a b", "a b a", "a b b")])
    assert "fastokens cannot take its place: " in encoder.library
    assert lists(encoder.encode([PairTexts("a", "a a", "a b")])) == [[0], [0, 0], [0, 1]]


def test_where_texts_may_be_cut(tokenizer: PreTrainedTokenizerBase, tiny_model: Path) -> None:
    assert sorted(boundaries(tokenizer)) == sorted(SPECIAL)
    greedy = load_tokenizer(tiny_model)
    token = {"content": "<mask>", "lstrip": True, "rstrip": False, "normalized": False}
    greedy.add_special_tokens({"additional_special_tokens": []})
    from tokenizers import AddedToken

    greedy.add_tokens(AddedToken(**token, special=True), special_tokens=True)
    assert boundaries(greedy) == []
    nested = load_tokenizer(tiny_model)
    nested.add_tokens(AddedToken("<|im_end|>\n", normalized=False), special_tokens=True)
    assert boundaries(nested) == []
    assert boundaries(metaspace("always")) == ["<e>"]
    assert boundaries(metaspace("first")) == []


@pytest.mark.parametrize("scheme", ["first", "always", "never"])
def test_first_words_stay_first(scheme: str) -> None:
    tokenizer = metaspace(scheme)
    tokenizer.backend_tokenizer.normalizer = normalizers.Lowercase()
    pairs = [PairTexts("Hello <e>you ", "Hello <e>you <e>there", "Hello <e>you all<e>")]
    encoder = choose_encoder(tokenizer, pairs)
    assert lists(encoder.encode(pairs)) == [ids(tokenizer, text) for text in pairs[0]]


SMALL = st.lists(st.integers(0, 2), max_size=5)


@given(st.lists(st.tuples(SMALL, SMALL, SMALL), max_size=6))
def test_pairs_are_split_where_they_part(rows: list[tuple[list[int], ...]]) -> None:
    flat = IdLists.of([side for row in rows for side in row])
    for row, *split in zip(rows, *map(lists, split_pairs(flat)), strict=True):
        prompt, chosen, rejected = row
        shared = 0
        while shared < min(map(len, row)) and len({side[shared] for side in row}) == 1:
            shared += 1
        assert split == [prompt[:shared], chosen[shared:], rejected[shared:]]


def test_lists_of_one_type() -> None:
    made = IdLists.of([[1, 2], [], [3]])
    assert made.values.dtype == np.int32
    assert made.to_arrow().type == pa.list_(pa.int32())
    assert lists(made.take(np.array([2, 0]))) == [[3], [1, 2]]
    assert lists(made.followed_by(made)) == [[1, 2], [], [3], [1, 2], [], [3]]
    assert lists(made.joined(np.array([2, 1]))) == [[1, 2], [3]]
