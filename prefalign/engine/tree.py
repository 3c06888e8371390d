"""Token sequences as rows of a forward pass: one row in which common beginnings stand once, or padded.

A causal model's output at a token depends on the tokens before it and on nothing else, so sequences
that begin alike can share what they have in common: prompt and completions become a tree, its nodes
are written one after the other into a single row, and every sequence is a path through that row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

Ints: TypeAlias = npt.NDArray[np.int64]
Tokens: TypeAlias = npt.NDArray[np.integer[Any]]

Layout: TypeAlias = Literal["shared", "packed", "padded"]
"""How sequences share a forward pass, the fastest first: one row with common beginnings once, one row
with every sequence whole, or one row each with padding behind it."""


class Views(NamedTuple):
    """Who attends to what in a packed row. View v is a run of queries and all the keys on its path.

    Its queries are the row's tokens query_starts[v]:query_starts[v + 1], which are also the last keys
    of its path, keys[key_starts[v]:key_starts[v + 1]]. So a view is what attention kernels call
    causal, aligned at the bottom right, with cumulative lengths of queries and of keys.

    Attributes:
        keys: (K,) int64, places in the row.
        query_starts: (V + 1,) int32, ascending from 0 to the row's length.
        key_starts: (V + 1,) int32, ascending from 0 to K.
    """

    keys: Ints
    query_starts: npt.NDArray[np.int32]
    key_starts: npt.NDArray[np.int32]


class Rows(NamedTuple):
    """What a model reads, and where in it each sequence is.

    Attributes:
        input_ids: (R, T) int64.
        paths: one per sequence: places of its tokens in the flattened (R * T) rows.
        positions: (T,) int64, place of each token in its sequence; None where rows are sequences.
        views: None where rows are sequences.
    """

    input_ids: Ints
    paths: list[Ints]
    positions: Ints | None = None
    views: Views | None = None


def arrange(sequences: Sequence[Tokens], layout: Layout) -> Rows:
    """Returns `sequences` in `layout`.

    Args:
        sequences: token ids; a sequence may be empty, equal to another, or the beginning of one.
        layout: see `Layout`.
    """
    return pad(sequences) if layout == "padded" else pack(sequences, share=layout == "shared")


def pad(sequences: Sequence[Tokens]) -> Rows:
    """Returns one row per sequence, filled up with token 0 on the right, where nothing looks."""
    width = max(1, *(len(tokens) for tokens in sequences))
    input_ids = np.zeros((len(sequences), width), np.int64)
    for row, tokens in zip(input_ids, sequences, strict=True):
        row[: len(tokens)] = tokens
    paths = [row * width + np.arange(len(tokens)) for row, tokens in enumerate(sequences)]
    return Rows(input_ids, paths)


def pack(sequences: Sequence[Tokens], *, share: bool = True) -> Rows:
    """Returns one row without padding; with `share`, no beginning of any sequence stands in it twice.

    In lexical order the longest beginning that a sequence has in common with any earlier one is that
    with its predecessor, so one pass finds the whole tree.
    """
    order = sorted(range(len(sequences)), key=lambda i: _sort_key(sequences[i]))
    paths: list[Ints] = [np.empty(0, np.int64)] * len(sequences)
    nodes: list[tuple[Tokens, Ints]] = []  # the tokens that are new, and the path that ends in them
    length, before = 0, None
    for i in order if share else range(len(sequences)):
        common = _common(sequences[before], sequences[i]) if share and before is not None else 0
        new = sequences[i][common:]
        inherited = paths[before][:common] if before is not None else paths[i]
        paths[i] = np.concatenate((inherited, np.arange(length, length + len(new))))
        if len(new):
            nodes.append((new, paths[i]))
        length, before = length + len(new), i
    return _row(paths, nodes or [(np.zeros(1, np.int64), np.zeros(1, np.int64))])


def _row(paths: list[Ints], nodes: list[tuple[Tokens, Ints]]) -> Rows:
    tokens = np.concatenate([new for new, _ in nodes]).astype(np.int64)
    positions = np.concatenate([np.arange(len(path) - len(new), len(path)) for new, path in nodes])
    views = Views(
        np.concatenate([path for _, path in nodes]),
        _starts([len(new) for new, _ in nodes]),
        _starts([len(path) for _, path in nodes]),
    )
    return Rows(tokens[None], paths, positions, views)


def _sort_key(tokens: Tokens) -> bytes:
    """Returns bytes that compare as the token ids do, because the big end of each comes first."""
    return tokens.astype(">u4").tobytes()


def _common(first: Tokens, second: Tokens) -> int:
    """Returns how many tokens two sequences begin with in common."""
    shorter = min(len(first), len(second))
    different = np.flatnonzero(first[:shorter] != second[:shorter])
    return int(different[0]) if len(different) else shorter


def _starts(lengths: list[int]) -> npt.NDArray[np.int32]:
    return np.concatenate(([0], np.cumsum(lengths))).astype(np.int32)
