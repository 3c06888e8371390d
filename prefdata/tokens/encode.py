"""Texts to token ids, by the fastest library whose ids are those of the tokenizer.

A special token splits a text before anything else looks at it. Where this holds, the pieces between
special tokens are tokenised instead of whole texts, each distinct piece once: a prompt is not
tokenised again with each of its completions, nor are system prompts and the words around messages.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from prefdata.tokens.encode_lists import EMPTY, IdLists
from prefdata.tokens.template import PairTexts

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Backend: TypeAlias = Callable[[list[str]], IdLists]

_REMEMBERED = 8_000_000  # tokens: 32 MB, and about as much for their texts


class Encoder:
    """Tokenises pairs in batches, each distinct piece of text once as long as it is remembered.

    Args:
        library: name and version of what tokenises.
        backend: returns the ids of texts, without adding special tokens.
        boundaries: texts of special tokens at which a text may be split; none leaves texts whole.

    Attributes:
        library: name and version of what tokenises, and why nothing faster does.
    """

    def __init__(self, library: str, backend: Backend, boundaries: Sequence[str] = ()) -> None:
        self.library = library
        self._backend = backend
        self._split = _splitter(boundaries)
        self._forget()

    def encode(self, pairs: Sequence[PairTexts]) -> IdLists:
        """Returns 3N lists of ids: of each pair prompt, prompt + chosen and prompt + rejected."""
        if len(self._ids.values) > _REMEMBERED:
            self._forget()
        texts = [pieces for pair in pairs for pieces in self._pieces(pair)]
        counts = np.fromiter(map(len, texts), np.int64, len(texts))
        return self._ids_of([piece for pieces in texts for piece in pieces]).joined(counts)

    def _forget(self) -> None:
        self._known: dict[str, int] = {}  # piece -> place in _ids
        self._ids = EMPTY

    def _pieces(self, pair: PairTexts) -> Iterator[list[str]]:
        """Yields the pieces of the three texts; those of the prompt are looked for once."""
        prompt = self._split(pair.prompt)
        yield prompt
        for text in (pair.chosen, pair.rejected):
            if text.startswith(pair.prompt):
                yield prompt[:-1] + self._split(prompt[-1] + text[len(pair.prompt) :])
            else:
                yield self._split(text)

    def _ids_of(self, pieces: list[str]) -> IdLists:
        known = self._known
        places = np.fromiter(
            (known.setdefault(piece, len(known)) for piece in pieces), np.int64, len(pieces)
        )
        new = list(islice(known, len(self._ids.offsets) - 1, None))
        if new:
            self._ids = self._ids.followed_by(self._backend(new))
        return self._ids.take(places)


def choose_encoder(tokenizer: PreTrainedTokenizerBase, sample: Sequence[PairTexts]) -> Encoder:
    """Returns the fastest encoder that gives every text of `sample` the ids of `tokenizer`.

    Args:
        tokenizer: from `load_tokenizer`.
        sample: rendered pairs of the set that is going to be tokenised, 256 or more of them; with
            none, nothing is proved and the tokenizer itself is used.
    """
    slowest = _transformers(tokenizer)
    if not sample:
        return slowest
    truth = slowest.encode(sample)
    refused: list[str] = []
    for make in (_fastokens, _tokenizers):
        try:
            encoder = make(tokenizer)
            different = _different(encoder.encode(sample), truth)
        except (ImportError, AttributeError):  # not installed, or no such tokenizer
            continue
        # what a library says of a tokenizer that it does not know is its own
        except Exception as error:  # noqa: BLE001
            refused.append(f"{make.__name__[1:]} cannot take its place: {_line(error)}")
            continue
        if not different:
            return _remarked(encoder, refused)
        refused.append(f"{encoder.library} gives {different} of {3 * len(sample)} texts other ids")
    return _remarked(slowest, refused)


def _fastokens(tokenizer: Any) -> Encoder:
    """Returns an encoder of whole texts: splitting them would take as long as tokenising them."""
    import fastokens

    fast = fastokens.Tokenizer.from_json_str(tokenizer.backend_tokenizer.to_str())
    fast.no_truncation()
    fast.no_padding()

    def encode(texts: list[str]) -> IdLists:
        values, offsets = fast.encode_batch_flat(texts)
        return IdLists(np.frombuffer(values, np.int32), np.frombuffer(offsets, np.int64))

    return Encoder(_version("fastokens"), encode)


def _tokenizers(tokenizer: Any) -> Encoder:
    backend = tokenizer.backend_tokenizer

    def encode(texts: list[str]) -> IdLists:
        return IdLists.of(
            [found.ids for found in backend.encode_batch_fast(texts, add_special_tokens=False)]
        )

    return Encoder(_version("tokenizers"), encode, boundaries(tokenizer))


def _transformers(tokenizer: Any) -> Encoder:
    def encode(texts: list[str]) -> IdLists:
        return IdLists.of(
            tokenizer(texts, add_special_tokens=False, return_attention_mask=False, verbose=False)[
                "input_ids"
            ]
        )

    return Encoder(_version("transformers"), encode)


def _version(library: str) -> str:
    return f"{library} {version(library)}"


def _line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__


def _remarked(encoder: Encoder, refused: list[str]) -> Encoder:
    if refused:
        encoder.library += f" ({'; '.join(refused)})"
    return encoder


def _different(found: IdLists, truth: IdLists) -> int:
    """Returns how many lists are not the same."""
    lists = zip(pairwise(found.offsets), pairwise(truth.offsets), strict=True)
    return sum(
        not np.array_equal(found.values[slice(*ours)], truth.values[slice(*theirs)])
        for ours, theirs in lists
    )


def boundaries(tokenizer: Any) -> list[str]:
    """Returns the texts of special tokens at which a text can be cut without changing its ids.

    None if anything in the tokenizer looks across them: special tokens that take in the white space
    beside them or are found after normalisation only, or a first word that is marked as such.
    """
    rules = json.loads(tokenizer.backend_tokenizer.to_str())
    special = [token for token in rules["added_tokens"] if not token["normalized"]]
    texts = [token["content"] for token in special]
    aware = any(token[key] for token in special for key in ("lstrip", "rstrip", "single_word"))
    nested = any(a != b and b.startswith(a) for a in texts for b in texts)
    unsplit = getattr(tokenizer, "split_special_tokens", False)
    if aware or nested or unsplit or _marks_first(rules["pre_tokenizer"]):
        return []
    return texts


def _marks_first(rule: dict[str, Any] | None) -> bool:
    """Returns whether a pre-tokenizer treats the start of a text unlike that of a piece."""
    if rule is None:
        return False
    if rule["type"] == "Sequence":
        return any(map(_marks_first, rule["pretokenizers"]))
    return rule.get("prepend_scheme") == "first"


def _splitter(boundaries: Sequence[str]) -> Callable[[str], list[str]]:
    if not boundaries:
        return lambda text: [text]
    return re.compile(f"({'|'.join(map(re.escape, boundaries))})").split
