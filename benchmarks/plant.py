"""Faults for real pairs: each function returns the pairs with one kind of fault, the same ones for a seed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any, NamedTuple
from unicodedata import normalize

import numpy as np
import numpy.typing as npt
import polars as pl

from prefdata.frame import PAIRS, messages, pairs_table, to_polars
from prefdata.types import Message, Messages, Origin, Pair

Shingled = frozenset[int]

SHINGLE = 5
AROUND = 0.02  # a near copy is that near to the similarity asked for
LONG = 8  # words; a shorter prompt in other words is another prompt
VOTES = 3  # on each pair

_WORD = re.compile(r"[^\W_]+")
_SPACELESS = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\u0e00-\u0e7f]")  # a word each
_TRIES = 12


class Planted(NamedTuple):
    """Pairs with faults, and what is wrong with which: id -> kind."""

    pairs: pl.DataFrame
    kinds: dict[str, str]


def swapped(pairs: pl.DataFrame, where: npt.NDArray[Any]) -> pl.DataFrame:
    """Returns the pairs with chosen and rejected exchanged in some of them."""
    sides = ("chosen", "rejected")
    swap = pl.lit(pl.Series(where))
    return pairs.with_columns(
        pl.when(swap).then(pl.col(other)).otherwise(pl.col(side)).alias(side)
        for side, other in (sides, sides[::-1])
    )


def leaning(pairs: pl.DataFrame, points: float, seed: int) -> pl.DataFrame:
    """Returns the pairs as somebody labels them who takes the left side where it should not win.

    Sides are shown in random order, so that the left one wins 50 % of the pairs, and `points` more of 100.
    """
    rng = np.random.default_rng(seed)
    chosen_left = rng.random(pairs.height) < 0.5
    takes_left = rng.random(pairs.height) < 2 * points / 100
    turned = swapped(pairs, takes_left & ~chosen_left)
    return turned.with_columns(chosen_first=pl.Series(chosen_left | takes_left))


def vote_rows(
    pairs: pl.DataFrame, accuracies: Sequence[float], seed: int, *, constant: int | None = None
) -> Iterator[dict[str, Any]]:
    """Yields a table of votes: answer_left, answer_right, and ann0, ann1, ... of whom three have voted.

    Args:
        pairs: whose labels are the truth.
        accuracies: how often each annotator votes for the truth.
        seed: of the sides, of who votes, and of who is right.
        constant: an annotator who always takes the left side.
    """
    rng = np.random.default_rng(seed)
    for number, row in enumerate(pairs.iter_rows(named=True)):
        left_wins = rng.random() < 0.5
        sides = [_said(row[side]) for side in ("chosen", "rejected")]
        left, right = sides if left_wins else sides[::-1]
        votes: dict[str, str | None] = {f"ann{person}": None for person in range(len(accuracies))}
        for person in rng.choice(len(accuracies), VOTES, replace=False):
            is_right = rng.random() < accuracies[person]
            takes_left = person == constant or is_right == left_wins
            votes[f"ann{person}"] = "left" if takes_left else "right"
        prompt = f"{number}. {_said(row['prompt'])}"
        yield {"prompt": prompt, "answer_left": left, "answer_right": right, **votes}


def _said(conversation: Sequence[dict[str, Any]]) -> str:
    return str(conversation[-1]["content"]) if conversation else ""


def near_copies(pairs: pl.DataFrame, share: float, target: float, seed: int) -> Planted:
    """Returns the pairs and, of a share of them, copies whose prompt is as similar as asked.

    Prompts that cannot be so similar, as they are too short, are not copied.
    """
    random, wanted = Random(seed), round(share * pairs.height)
    copies: list[Pair] = []
    for at in random.sample(range(pairs.height), pairs.height):
        if len(copies) == wanted:
            break
        row = pairs.row(at, named=True)
        prompt = _near_prompt(messages(row["prompt"]), target, random)
        if prompt:
            copies.append(
                _pair(row, prompt, Origin(row["source"], "copies.jsonl", len(copies) + 1))
            )
    planted = _frame(copies)
    kinds = dict.fromkeys(planted["id"], f"{target}")
    return Planted(pl.concat([pairs.select(PAIRS.names), planted]), kinds)


def _near_prompt(prompt: Messages, target: float, random: Random) -> Messages | None:
    """Returns the prompt with words of its last turn changed; None where that does not lead there."""
    last = prompt[-1] if prompt else None
    if not last or not last.content or last.role == "system":
        return None
    original, before = document(prompt), document(prompt[:-1])
    if jaccard(original, before) > target:
        return None
    for _ in range(_TRIES):
        words, similarity = last.content.split(" "), 1.0
        while similarity > target + AROUND and len(words) > 1:
            _edit(words, random)
            similarity = jaccard(original, before | _shingles(" ".join(words)))
        if abs(similarity - target) <= AROUND:
            return (*prompt[:-1], Message(last.role, " ".join(words)))
    return None


def _edit(words: list[str], random: Random) -> None:
    """Replaces, drops or adds a word; at the end more often than elsewhere, where it changes less."""
    at = len(words) - 1 if random.random() < 0.4 else random.randrange(len(words))
    kind = random.randrange(3)
    if kind == 0:
        del words[at]
    else:
        words[at + kind - 1 : at + 1] = [f"other{random.randrange(10**6)}"]


def document(prompt: Messages) -> Shingled:
    """Returns the shingles of all turns but the system's."""
    texts = [m.content or "" for m in prompt if m.role not in ("system", "developer")]
    return frozenset().union(*map(_shingles, texts))


def _shingles(text: str) -> Shingled:
    """Returns five-word shingles, or five-character ones of a text of fewer words; hashed."""
    plain = normalize("NFKC", text)
    units: Sequence[str] = _WORD.findall(_SPACELESS.sub(r" \g<0> ", plain.lower()))
    if len(units) < SHINGLE:
        units = " ".join(plain.casefold().split())
    last = max(len(units) - SHINGLE, 0)
    return frozenset(hash(tuple(units[at : at + SHINGLE])) for at in range(last + 1))


def jaccard(one: Shingled, other: Shingled) -> float:
    return len(one & other) / len(one | other)


def contaminated(pairs: pl.DataFrame, prompts: Sequence[str], share: float, seed: int) -> Planted:
    """Returns the pairs, a share of which ask what an evaluation set asks, in turn as each of `EDITS` says.

    Edits of words are made to prompts of `LONG` words or more only.
    """
    random = Random(seed)
    long = [prompt for prompt in prompts if len(_WORD.findall(prompt)) >= LONG]
    rows = random.sample(range(pairs.height), max(len(EDITS), round(share * pairs.height)))
    kinds, changed = [], []
    for number, at in enumerate(rows):
        kind = list(EDITS)[number % len(EDITS)]
        text = random.choice(long if kind in OF_WORDS else prompts)
        row = pairs.row(at, named=True)
        other = _said(pairs.row(random.randrange(pairs.height), named=True)["prompt"])
        asked = Message("user", EDITS[kind](text, other, random))
        changed.append(_pair(row, (asked,), Origin(row["source"], row["file"], row["row"])))
        kinds.append(kind)
    planted = _frame(changed)
    untouched = pairs.select(PAIRS.names).with_row_index().filter(~pl.col("index").is_in(rows))
    whole = pl.concat([untouched.drop("index"), planted])
    return Planted(whole, dict(zip(planted["id"], kinds, strict=True)))


def _as_it_is(text: str, _other: str, _random: Random) -> str:
    return text


def _in_other_case(text: str, _other: str, random: Random) -> str:
    return random.choice([text.upper(), text.lower(), text.title()])


def _in_other_space(text: str, _other: str, random: Random) -> str:
    return "".join(f"{word}{random.choice([' ', '  ', chr(10), chr(9)])}" for word in text.split())


def _with_a_word_changed(text: str, other: str, random: Random) -> str:
    place = random.choice(list(_WORD.finditer(text)))
    word = random.choice(_WORD.findall(other) or ["else"])
    return f"{text[: place.start()]}{word}{text[place.end() :]}"


def _in_a_longer_prompt(text: str, other: str, random: Random) -> str:
    words = other.split()
    middle = random.randint(0, len(words))
    return f"{' '.join(words[:middle])} {text}\n\n{' '.join(words[middle:])}"


EDITS: dict[str, Callable[[str, str, Random], str]] = {
    "exact": _as_it_is,
    "case": _in_other_case,
    "white space": _in_other_space,
    "a word changed": _with_a_word_changed,
    "in a longer prompt": _in_a_longer_prompt,
}
OF_WORDS = ("a word changed", "in a longer prompt")


def _pair(row: dict[str, Any], prompt: Messages, origin: Origin) -> Pair:
    chosen, rejected = messages(row["chosen"]), messages(row["rejected"])
    return Pair(prompt=prompt, chosen=chosen, rejected=rejected, origin=origin)


def _frame(pairs: Sequence[Pair]) -> pl.DataFrame:
    return to_polars(pairs_table(pairs))
