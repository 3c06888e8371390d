"""Shortcuts planted in pairs are found under their names, and nothing else is."""

from __future__ import annotations

import random

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefdata.checks import Evidence, indexed
from prefdata.shortcuts.ngrams import ngrams
from prefdata.shortcuts.probe import (
    FAMILY_SCHEMA,
    LEAST,
    label_probabilities,
    shortcut_accuracies,
)
from prefdata.shortcuts.surface import names, surface_features
from prefdata.shortcuts.telling import telling_words
from tests.prefdata.pairs import FRAMES, frame, pair

WORDS = [
    "the",
    "sea",
    "is",
    "blue",
    "and",
    "old",
    "men",
    "sail",
    "far",
    "from",
    "home",
    "by",
    "night",
    "under",
    "stars",
]


def evidence(pairs: pl.DataFrame) -> Evidence:
    return Evidence(pairs=indexed(pairs))


def sentence(rng: random.Random) -> str:
    return " ".join(rng.choices(WORDS, k=12)).capitalize() + "."


def planted(chosen: str = "{}", rejected: str = "{}", count: int = 120) -> pl.DataFrame:
    """Pairs of random sentences, each put into the form of its side."""
    rng = random.Random(0)
    rows = [(chosen.format(sentence(rng)), rejected.format(sentence(rng))) for _ in range(count)]
    return frame(*(pair(f"Question {n}?", c, r, n) for n, (c, r) in enumerate(rows, 1)))


def accuracy(pairs: pl.DataFrame) -> dict[str, float]:
    found = shortcut_accuracies(evidence(pairs))
    return dict(found.select("family", "accuracy").rows())


@pytest.mark.parametrize(
    ("chosen", "family"),
    [
        ("{} And more.", "length"),
        ("{} And so on and so forth.", "words"),
        ("- {}", "markdown"),
        ("sure, {}", "opener"),
        ("{}!", "closer"),
        ("{} I'm sorry", "refusals"),
        ("{} 对不起", "refusals"),
        ("{} I", "first person"),
        ("{} ?", "questions"),
        (" {}", "white space"),
        ("{}\n", "white space"),
        ("{}</s>", "end-of-text marks"),
        ("{} 42", "characters"),
    ],
)
def test_a_planted_shortcut_is_found_in_its_family(chosen: str, family: str) -> None:
    found = accuracy(planted(chosen))
    assert found[family] > 0.95
    assert found["all"] > 0.95


def test_nothing_is_found_where_nothing_is() -> None:
    found = shortcut_accuracies(evidence(planted(count=400)))
    assert found.schema == FAMILY_SCHEMA
    assert (found["low"] < 0.55).all(), "thirteen intervals of 95 %, and one seed"


def test_one_prompt_gives_no_accuracy_but_probabilities() -> None:
    pairs = planted("- {}").with_columns(prompt_id=pl.lit("same"))
    assert shortcut_accuracies(evidence(pairs)).is_empty()
    assert (label_probabilities(evidence(pairs))["probability"] > 0.5).all()


def test_the_order_of_rows_changes_nothing() -> None:
    pairs = planted("{} ?")
    mixed = pairs.sample(fraction=1, shuffle=True, seed=1)
    assert shortcut_accuracies(evidence(pairs)).equals(shortcut_accuracies(evidence(mixed)))
    found = [
        indexed(rows).join(label_probabilities(evidence(rows)), on="index").sort("id")
        for rows in (pairs, mixed)
    ]
    assert found[0]["probability"].equals(found[1]["probability"])
    assert telling_words(evidence(pairs)).equals(telling_words(evidence(mixed)))


def test_a_flipped_pair_is_the_least_probable() -> None:
    pairs = planted("- {}")
    names = {"chosen": "rejected", "rejected": "chosen"}
    flipped = pl.concat([pairs[:7], pairs[7:8].rename(names).select(pairs.columns), pairs[8:]])
    found = label_probabilities(evidence(flipped)).sort("probability")
    assert found["index"][0] == 7
    assert found["probability"][0] < 0.2
    assert found["probability"][1] > 0.5


def test_telling_words_are_counted_by_pair() -> None:
    pairs = planted("{} Ahoy! ahoy", "{} nope")
    found = telling_words(evidence(pairs))
    assert set(found["word"][:3]) == {"ahoy", "!", "nope"}
    first = found.filter(pl.col("word") == "ahoy").row(0, named=True)
    assert (first["chosen"], first["rejected"], first["z"]) == (120, 0, pytest.approx(120**0.5))
    assert first["adjusted_p"] < 1e-20


@given(FRAMES)
@settings(max_examples=8)
def test_any_frame_can_be_probed(pairs: pl.DataFrame) -> None:
    repeated = pl.concat([pairs] * LEAST)
    found = shortcut_accuracies(evidence(repeated))
    assert found["accuracy"].is_between(found["low"] - 1e-9, found["high"] + 1e-9).all()
    assert label_probabilities(evidence(repeated)).height == repeated.height
    telling_words(evidence(repeated))


def test_few_pairs_are_not_measured() -> None:
    few = evidence(planted("- {}", count=LEAST - 1))
    assert shortcut_accuracies(few).is_empty()
    assert label_probabilities(few).is_empty()


@given(st.lists(st.text(), max_size=5))
@settings(max_examples=30)
def test_surface_features_are_finite_and_named(texts: list[str]) -> None:
    found = pl.DataFrame({"text": pl.Series(texts, dtype=pl.String)}).select(
        surface_features("text")
    )
    assert found.columns == [f"{family}: {name}" for family, name in names()]
    assert np.isfinite(found.to_numpy()).all()


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        (" \n", 0),
        ("one", 1),
        ("Hello, world! it's", 7),
        ("日本 x é—y", 6),
        ("“quoted”", 3),
        ("größe", 1),
    ],
)
def test_tokens_are_words_marks_and_characters(text: str, tokens: int) -> None:
    alone = ngrams(pl.Series([text])).sum()
    assert alone == max(2 * tokens - 1, 0)
    between = ngrams(pl.Series(["a b", text, "", "c"]))
    assert between.sum(axis=1).ravel().tolist()[0] == [3.0, alone, 0.0, 1.0]


def test_counts_are_logarithmic_and_case_is_folded() -> None:
    matrix = ngrams(pl.Series(["Yes yes YES"]))
    assert sorted(matrix.data) == pytest.approx([1 + np.log(2), 1 + np.log(3)])
