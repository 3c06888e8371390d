"""How token ids begin and end: a beginning token twice, no end token, or one too many."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from prefdata.errors import InputError
from prefdata.tokens.encode_lists import IdLists
from prefdata.tokens.load import generation_stops, special_tokens
from prefdata.tokens.template import apply_template
from prefdata.tokens.truncate import Flags

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_LOOKED_AT = 16  # tokens from the end; more white space than that is no end of a turn


def unheeded_end(tokenizer: PreTrainedTokenizerBase) -> str | None:
    """Returns the end of an answer at which generation will not stop, as text; None where it stops.

    It stops at the tokens that the model's generation_config.json names, and at EOS where it names none.
    """
    talk = [{"role": role, "content": "Hi"} for role in ("user", "assistant")]
    try:
        text = apply_template(tokenizer, talk, {})
    except InputError:  # which says itself what it takes
        return None
    ids = tokenizer(text.rstrip(), add_special_tokens=False)["input_ids"]
    stops = generation_stops(tokenizer) or [tokenizer.eos_token_id]
    return None if ids and ids[-1] in stops else str(tokenizer.decode(ids[-1:]))


class Ends(NamedTuple):
    """What is wrong with the ends of a pair's sides, in words; None where nothing is."""

    missing: str | None
    doubled: str | None


class Boundaries:
    """Looks at the first and last tokens of rendered pairs.

    A completion ends with a token at which generation stops: EOS, and what generation_config.json
    adds to it. Where there is no such file, the special token counts, too, with which the template
    ends a plain answer: Gemma's turns, for one, end with another than its EOS.

    Args:
        tokenizer: the one that rendered them.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        self._bos = tokenizer.bos_token_id
        self._texts: dict[int, str] = {}
        stops = generation_stops(tokenizer)
        others = self._end_of_turn() if stops is None else stops
        self._ends = frozenset([tokenizer.eos_token_id, *others])

    def begins_twice(self, texts: IdLists) -> Flags:
        """Returns where the first two tokens are both the beginning-of-sequence token, (N,)."""
        if self._bos is None:
            return np.zeros(len(texts.lengths), np.bool_)
        firsts = texts.offsets[:-1]
        twice = (texts.values[:-1] == self._bos) & (texts.values[1:] == self._bos)
        begins: Flags = texts.lengths >= 2
        begins[begins] = twice[firsts[begins]]
        return begins

    def ends(self, chosen: IdLists, rejected: IdLists) -> list[Ends]:
        """Returns what is wrong with the ends of N pairs."""
        return [
            self._of_pair({"chosen": sides[0], "rejected": sides[1]})
            for sides in zip(_last_tokens(chosen), _last_tokens(rejected), strict=True)
        ]

    def _of_pair(self, sides: Mapping[str, Sequence[int]]) -> Ends:
        missing, doubled = [], []
        for name, ids in sides.items():
            last = self._last_two(ids)
            if not last or last[0] not in self._ends:
                missing.append(f"{name} {self._ending(last)}")
            elif last == [last[0]] * 2:
                doubled.append(f"{name} ends with {self._text(last[0])} twice")
        return Ends(", ".join(missing) or None, ", ".join(doubled) or None)

    def _end_of_turn(self) -> list[int]:
        """Returns the special token that ends an answer as the template writes it, if one does."""
        talk = [{"role": role, "content": "Hi"} for role in ("user", "assistant")]
        try:
            text = apply_template(self._tokenizer, talk, {})
        except InputError:
            return []
        last = self._last_two(self._tokenizer(text, add_special_tokens=False)["input_ids"])[:1]
        return [token for token in last if self._text(token) in special_tokens(self._tokenizer)]

    def _ending(self, last: list[int]) -> str:
        if not last:
            return "has no tokens"
        return f"ends with {self._text(last[0])!r} instead of {self._tokenizer.eos_token}"

    def _last_two(self, ids: Sequence[int]) -> list[int]:
        """Returns the last tokens that are not white space, last first, two of them if it has two."""
        found: list[int] = []
        for token in reversed(ids):
            if self._text(token).strip():
                found.append(token)
            if len(found) == 2:
                break
        return found

    def _text(self, token: int) -> str:
        if token not in self._texts:
            self._texts[token] = str(self._tokenizer.decode([token]))
        return self._texts[token]


def _last_tokens(lists: IdLists) -> Iterator[list[int]]:
    """Yields the last `_LOOKED_AT` ids of each list, fewer where it is shorter."""
    for start, end in pairwise(lists.offsets.tolist()):
        yield lists.values[max(start, end - _LOOKED_AT) : end].tolist()
