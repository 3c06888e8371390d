"""A packed row holds every sequence, every beginning once, and lets each token see its own past."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from prefalign.engine.tree import Ints, Rows, arrange, pack, pad

# few different tokens, so that beginnings are shared, sequences repeat, and some are empty
sequences = st.lists(
    st.lists(st.integers(0, 2), max_size=6).map(lambda ids: np.array(ids, np.int32)),
    min_size=1,
    max_size=8,
)


def keys_of_each_token(rows: Rows) -> dict[int, list[int]]:
    """Returns, for each place of the row, the places it attends to."""
    assert rows.views is not None
    keys, query_starts, key_starts = rows.views
    seen: dict[int, list[int]] = {}
    for queries, path in zip(pairwise(query_starts), pairwise(key_starts), strict=True):
        of_view = keys[slice(*path)].tolist()
        for place in range(*queries):
            assert place not in seen
            seen[place] = of_view[: len(of_view) - (queries[1] - 1 - place)]
    return seen


@given(sequences)
def test_each_beginning_stands_once(given_sequences: list[Ints]) -> None:
    rows = pack(given_sequences)
    beginnings = {tuple(s[: n + 1]) for s in given_sequences for n in range(len(s))}
    assert rows.input_ids.shape == (1, max(len(beginnings), 1))


@given(sequences, st.booleans())
def test_every_token_sees_its_own_past(given_sequences: list[Ints], share: bool) -> None:
    rows = pack(given_sequences, share=share)
    assert rows.positions is not None
    seen = keys_of_each_token(rows)
    assert sorted(seen) == list(range(rows.input_ids.shape[1]))
    for tokens, path in zip(given_sequences, rows.paths, strict=True):
        assert rows.input_ids[0, path].tolist() == tokens.tolist()
        assert rows.positions[path].tolist() == list(range(len(tokens)))
        for number, place in enumerate(path):
            assert seen[place] == path[: number + 1].tolist()


@given(sequences)
def test_unshared_rows_hold_every_token(given_sequences: list[Ints]) -> None:
    rows = pack(given_sequences, share=False)
    places = np.concatenate(rows.paths)
    assert sorted(places) == list(range(sum(map(len, given_sequences))))


@given(sequences, st.integers(0, 99))
def test_order_changes_nothing(given_sequences: list[Ints], seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(given_sequences))
    rows, shuffled = pack(given_sequences), pack([given_sequences[i] for i in order])
    np.testing.assert_array_equal(rows.input_ids, shuffled.input_ids)
    for new, old in enumerate(order):
        np.testing.assert_array_equal(rows.paths[old], shuffled.paths[new])


@given(sequences)
def test_padding_is_behind_the_tokens(given_sequences: list[Ints]) -> None:
    rows = pad(given_sequences)
    assert rows.views is None
    for row, tokens in enumerate(given_sequences):
        assert rows.input_ids[row, : len(tokens)].tolist() == tokens.tolist()
        assert rows.input_ids.ravel()[rows.paths[row]].tolist() == tokens.tolist()


def test_a_pair_is_prompt_and_two_completions() -> None:
    prompt, chosen, rejected = [7, 8, 9], [4, 5, 6], [4, 1]
    rows = arrange([np.array(prompt + chosen), np.array(prompt + rejected)], "shared")
    # in lexical order: prompt + rejected whole, then what chosen does not have in common with it
    assert rows.input_ids.tolist() == [[7, 8, 9, 4, 1, 5, 6]]
    assert rows.views is not None
    assert rows.views.query_starts.tolist() == [0, 5, 7]
    assert rows.views.keys.tolist() == [0, 1, 2, 3, 4, 0, 1, 2, 3, 5, 6]
