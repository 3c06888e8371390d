"""Near-duplicates against all pairs compared exactly, and what must hold of any texts."""

from __future__ import annotations

from random import Random

import numpy as np
import polars as pl
import pytest
from datasketch import MinHash, MinHashLSH
from hypothesis import given
from hypothesis import strategies as st

from prefdata.near import clusters, keys, nearest, shingles, verify
from tests.prefdata.near.oracle import all_pairs, edited, jaccard, paragraphs, shingle_set

THRESHOLD = 0.8

WORDS = st.sampled_from(["a", "B", "über", "日本", "2", "-", "\n", "fi", "👍", "x_y", "नमस्ते"])
SENTENCES = st.lists(WORDS, max_size=9).map(" ".join)
TEXTS = st.one_of(SENTENCES, st.text(max_size=12), st.text(min_size=20, max_size=60))


@pytest.fixture(scope="module")
def planted() -> list[str]:
    """Real paragraphs, and each once more, edited."""
    random = Random(0)
    real = paragraphs()
    return real + [edited(text, random) for text in real]


@pytest.mark.parametrize("threshold", [0.7, THRESHOLD, 0.9])
def test_finds_the_pairs_that_comparing_all_finds(planted: list[str], threshold: float) -> None:
    truth = all_pairs(planted, threshold)
    edges = clusters(pl.Series(planted), threshold).edges
    found = {(left, right): value for left, right, value in edges.iter_rows()}
    assert len(truth) > 80
    assert len(found.keys() & truth.keys()) / len(truth) >= 0.98
    assert found == {pair: pytest.approx(truth[pair]) for pair in found}, "precision is 1"


def test_finds_what_datasketch_finds(planted: list[str]) -> None:
    """datasketch's pairs, verified, as both sides only estimate before that."""
    lsh, hashed = MinHashLSH(threshold=THRESHOLD, num_perm=128), []
    for number, text in enumerate(planted):
        sketch = MinHash(num_perm=128)
        sketch.update_batch([" ".join(shingle).encode() for shingle in shingle_set(text)])
        hashed.append(sketch)
        lsh.insert(number, sketch)
    met = {(i, j) for i, sketch in enumerate(hashed) for j in lsh.query(sketch) if i < j}
    theirs = {
        (i, j)
        for i, j in met
        if jaccard(shingle_set(planted[i]), shingle_set(planted[j])) >= THRESHOLD
    }
    edges = clusters(pl.Series(planted), THRESHOLD).edges
    ours = set(edges.select("left", "right").iter_rows())
    assert len(theirs - ours) <= 0.02 * len(theirs)
    assert len(ours) >= len(theirs)


def test_finds_the_originals_of_edited_texts_in_another_set() -> None:
    random = Random(1)
    real = paragraphs()
    others = [edited(text, random) for text in real[::2]]
    truth = all_pairs([*real, *others], THRESHOLD)
    expected = {left for left, right in truth if left < len(real) <= right}
    found = nearest(pl.Series(real), pl.Series(others), THRESHOLD)
    assert len(expected) > 100
    assert set(found["left"]) <= expected
    assert found.height >= 0.98 * len(expected)
    for left, right, value in found.iter_rows():
        assert value == pytest.approx(jaccard(shingle_set(real[left]), shingle_set(others[right])))


def test_copies_in_the_other_set_are_found_for_every_copy() -> None:
    ours, theirs = pl.Series(["a copy", "else", "a copy"]), pl.Series(["other", "A  copy", "x"])
    assert nearest(ours, theirs).rows() == [(0, 1, 1.0), (2, 1, 1.0)]


@given(st.lists(TEXTS, max_size=12), st.randoms(use_true_random=False))
def test_the_order_of_documents_changes_no_cluster(texts: list[str], random: Random) -> None:
    order = random.sample(range(len(texts)), len(texts))
    labels = clusters(pl.Series(texts, dtype=pl.String), 0.6).labels
    moved = clusters(pl.Series([texts[i] for i in order], dtype=pl.String), 0.6).labels
    assert partition(labels, range(len(texts))) == partition(moved, order)


def partition(labels: pl.Series, numbers: list[int] | range) -> set[frozenset[int]]:
    groups: dict[int, set[int]] = {}
    for label, number in zip(labels, numbers, strict=True):
        groups.setdefault(label, set()).add(number)
    return set(map(frozenset, groups.values()))


@given(st.lists(TEXTS, max_size=8))
def test_equal_documents_are_together_and_labels_are_rows_of_clusters(texts: list[str]) -> None:
    labels = clusters(pl.Series(texts * 2, dtype=pl.String)).labels.to_list()
    assert labels[: len(texts)] == labels[len(texts) :]
    assert all(labels[label] == label <= row for row, label in enumerate(labels))


@given(st.lists(TEXTS, min_size=1, max_size=6))
def test_texts_of_a_document_share_no_shingle(texts: list[str]) -> None:
    """A conversation has the shingles of its turns, in any order of the turns."""
    together = shingles(pl.Series([texts, texts[::-1]])).hashes
    forth, back = np.split(together, 2)
    alone = shingles(pl.Series([text for text in texts if text.strip()], dtype=pl.String)).hashes
    assert sorted(forth) == sorted(back)
    assert set(alone) == set(forth) or not any(text.strip() for text in texts)


@given(st.lists(TEXTS, min_size=1, max_size=20))
def test_keys_of_a_document_do_not_depend_on_its_neighbours(texts: list[str]) -> None:
    together = keys(pl.Series(texts))
    assert together.equals(pl.concat(keys(pl.Series([text])) for text in texts))


@given(st.lists(st.tuples(SENTENCES, SENTENCES), min_size=1, max_size=6))
def test_the_similarity_is_exact(pairs: list[tuple[str, str]]) -> None:
    texts = pl.Series([text for pair in pairs for text in pair])
    numbers = range(len(pairs))
    frame = pl.DataFrame(
        {"left": [2 * n for n in numbers], "right": [2 * n + 1 for n in numbers]},
        schema={"left": pl.UInt32, "right": pl.UInt32},
    )
    found = verify(texts, frame, 0.0)["jaccard"].to_list()
    assert found == [pytest.approx(jaccard(*map(shingle_set, pair))) for pair in pairs]


@pytest.mark.parametrize(
    ("left", "right", "alike"),
    [
        ("Name a colour.", "name  a COLOUR.", True),
        ("What is 2+2?", "What is 2-2?", False),
        ("👍", "👎", False),
        ("", " \n", True),
        (
            "请给我写一首关于春天的诗\uff0c谢谢你的帮助。",
            "请给我写一首关于春天的诗, 谢谢你的帮助",
            True,
        ),
        ("请给我写一首关于春天的诗", "请给我讲一个关于冬天的故事", False),
        ("\uff46ull width letters are folded here", "full width letters are folded here", True),
    ],
)
def test_what_counts_as_nearly_the_same(left: str, right: str, alike: bool) -> None:
    assert (clusters(pl.Series([left, right])).labels.n_unique() == 1) == alike


@pytest.mark.parametrize("dtype", [pl.String, pl.List(pl.String)])
def test_no_documents(dtype: pl.DataType) -> None:
    nothing = pl.Series([], dtype=dtype)
    assert clusters(nothing).edges.is_empty()
    assert nearest(nothing, nothing).is_empty()


def test_nulls_are_empty_texts() -> None:
    documents = pl.Series([None, [], [None], ["", None]], dtype=pl.List(pl.String))
    assert clusters(documents).labels.to_list() == [0, 0, 0, 0]
