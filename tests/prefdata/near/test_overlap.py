"""Passages of one text in another: planted ones are found, common ones weigh little."""

from __future__ import annotations

from random import Random

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefdata.near.overlap import RUN, containment, longest_passage
from tests.prefdata.near.oracle import paragraphs

NOTHING = pl.Series([], dtype=pl.String)
PLENTY = [f"word{number}" for number in range(60)]
WORDS = st.lists(st.sampled_from(["a", "b", "é", "2"]), max_size=30)


def filled(words: list[str]) -> list[str]:
    return words + [""] * (RUN - len(words)) if words else []


def shared(text: list[str], source: list[str]) -> set[int]:
    """Which words of the source stand in runs that both hold, but for one word perhaps."""
    ours, theirs = filled(text), filled(source)
    inner = range(RUN) if len(source) == RUN else range(1, RUN - 1) if len(source) > RUN else ()
    found = set()
    for at in range(len(theirs) - RUN + 1):
        for place in range(len(ours) - RUN + 1):
            differ = [n for n in range(RUN) if theirs[at + n] != ours[place + n]]
            if not differ or (len(differ) == 1 and differ[0] in inner):
                found |= {at + n for n in range(RUN) if n not in differ}
    return found


@given(WORDS, WORDS)
def test_of_one_text_the_share_is_that_of_the_words_in_runs(
    text: list[str], source: list[str]
) -> None:
    found = containment(pl.Series([" ".join(text)]), pl.Series([" ".join(source)]), NOTHING)
    words = shared(text, source)
    expected = [len(words) / len(filled(source))] if words else []
    assert found["share"].to_list() == pytest.approx(expected)


@given(st.lists(st.sampled_from(PLENTY), min_size=RUN, max_size=40, unique=True), st.data())
def test_a_source_with_one_word_changed_is_found_nearly_whole(
    source: list[str], data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(source) - 1))
    text = " ".join(["So:", *source[:place], "changed", *source[place + 1 :], "indeed"])
    found = containment(pl.Series([text]), pl.Series([" ".join(source)]), NOTHING)
    assert found["share"].item() >= 0.75


def test_prompts_planted_in_real_texts_are_found_and_nothing_else() -> None:
    random = Random(0)
    real = paragraphs()
    sources, texts = real[::5], [text for i, text in enumerate(real) if i % 5]
    planted = {at: random.randrange(len(sources)) for at in random.sample(range(len(texts)), 100)}
    clean = set(containment(pl.Series(texts), pl.Series(sources), NOTHING)["text"])
    for at, source in planted.items():
        texts[at] = f"{texts[at]} So: {sources[source].upper()} And so on."
    found = containment(pl.Series(texts), pl.Series(sources), NOTHING)
    assert {(at, planted[at]) for at in planted} <= set(
        found.filter(pl.col("share") > 0.999).select("text", "source").iter_rows()
    )
    assert set(found["text"]) <= set(planted) | clean
    assert len(clean) < 0.1 * len(texts)


def test_what_many_texts_hold_weighs_little() -> None:
    opening = "Explain to me as if I were five years old"
    texts = pl.Series([f"{opening}, number {n} of the many" for n in range(50)])
    rare = "how a bank makes money when it grants a loan"
    sources = pl.Series([f"{opening}, {rare}"])
    common = containment(texts, sources, NOTHING)["share"].max()
    alone = containment(texts.extend_constant(f"Tell me {rare}.", 1), sources, NOTHING)
    assert common < alone.filter(pl.col("text") == 50)["share"].item()


def test_an_allowed_text_counts_for_nothing() -> None:
    quotation = "To be, or not to be, that is the question: whether it is nobler"
    texts, sources = pl.Series([quotation]), pl.Series([quotation.lower()])
    assert containment(texts, sources, NOTHING)["share"].item() == pytest.approx(1)
    assert containment(texts, sources, pl.Series([f"Hamlet says: {quotation}"])).is_empty()


def test_the_longest_passage_is_shown_as_it_stands_in_the_text() -> None:
    passage = longest_passage(
        "Well: a TRAIN leaves, Rome at nine!", "A train leaves Rome. At nine?"
    )
    assert passage == (6, "a TRAIN leaves, Rome at nine")
    assert longest_passage("?!", "...") == (0, "")
