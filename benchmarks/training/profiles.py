"""Pairs of random tokens with lengths of real ones: a step's cost depends on lengths alone.

`lengths.json` has (prompt, chosen, rejected) in tokens of SmolLM2's tokenizer: of 300 pairs of Anthropic's
HH-RLHF (harmless-base, test; MIT) and of 300 of LLaMA-Factory's dpo_en_demo.json (Apache-2.0), up to 1,024 tokens. The
others are log-normal with the means named here.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Lengths = NDArray[np.int64]

_SPREAD = 0.6  # standard deviation of the logarithm
_LONGEST = 2048  # tokens of a text


def _real(name: str) -> Callable[[int, np.random.Generator], Lengths]:
    def draw(pairs: int, rng: np.random.Generator) -> Lengths:
        known = json.loads(Path(__file__).with_name("lengths.json").read_text())[name]
        return np.array(known)[rng.permutation(len(known))[:pairs]]

    return draw


def _drawn(*means: int) -> Callable[[int, np.random.Generator], Lengths]:
    def draw(pairs: int, rng: np.random.Generator) -> Lengths:
        logs = rng.normal(np.log(means) - _SPREAD**2 / 2, _SPREAD, (pairs, len(means)))
        return np.clip(np.exp(logs).astype(np.int64), 2, _LONGEST)

    return draw


PAIRED = {
    "hh": _real("hh"),
    "llama-factory": _real("llama-factory"),
    "hh-like": _drawn(209, 110, 112),
    "ultrafeedback-like": _drawn(164, 305, 310),
    "long-prompts": _drawn(1033, 169, 171),
}
_RANKED = _drawn(300, 150, 150, 150, 150)
PROFILES = (*PAIRED, "rankings-of-4")
_LONG = ("llama-factory", "long-prompts")
_PAIRS_OF_A_RANKING = 6


def whole(profile: str, pairs: int) -> int:
    """Returns `pairs`, of long texts half as many, of rankings what whole prompts with all their pairs make."""
    if profile in PAIRED:
        return max(1, pairs // 2) if profile in _LONG else pairs
    return max(1, pairs // _PAIRS_OF_A_RANKING) * _PAIRS_OF_A_RANKING


def tokens(profile: str, pairs: int, vocabulary: int, seed: int = 0) -> pa.Table:
    """Returns the columns of a token store.

    Args:
        profile: one of `PROFILES`.
        pairs: how many; see `whole`.
        vocabulary: of the model.
        seed: of lengths and tokens.
    """
    rng = np.random.default_rng(seed)

    def text(length: int) -> list[int]:
        ids: list[int] = rng.integers(3, vocabulary, length).tolist()
        return ids

    rows: list[list[list[int]]] = []
    if profile in PAIRED:
        rows += [[text(length) for length in lengths] for lengths in PAIRED[profile](pairs, rng)]
    else:
        for lengths in _RANKED(pairs // _PAIRS_OF_A_RANKING, rng):
            prompt, *answers = (text(length) for length in lengths)
            rows += [[prompt, better, worse] for better, worse in combinations(answers, 2)]
    prompts, chosen, rejected = zip(*rows, strict=True)
    lists = pa.list_(pa.int32())
    return pa.table(
        {
            "id": [f"{number:032x}" for number in range(len(rows))],
            "prompt_ids": pa.array(prompts, lists),
            "chosen_ids": pa.array(chosen, lists),
            "rejected_ids": pa.array(rejected, lists),
        }
    )
