"""Lists of token ids end to end in one array, so that batches are cut and compared without a loop."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Ids: TypeAlias = NDArray[np.int32]
Places: TypeAlias = NDArray[np.int64]


class IdLists(NamedTuple):
    """N lists of token ids; list i is `values[offsets[i]:offsets[i + 1]]`.

    Attributes:
        values: (T,) token ids.
        offsets: (N + 1,) from 0 to T.
    """

    values: Ids
    offsets: Places

    @classmethod
    def of(cls, lists: Sequence[Sequence[int]]) -> IdLists:
        """Returns plain lists end to end."""
        offsets = ends(map(len, lists))
        return cls(np.fromiter(chain.from_iterable(lists), np.int32, offsets[-1]), offsets)

    @property
    def lengths(self) -> Places:
        """(N,) tokens of each list."""
        return np.diff(self.offsets)

    def gather(self, rows: Places, start: Places, length: Places) -> IdLists:
        """Returns, for each place i of the arguments, `length[i]` ids of list `rows[i]` from `start[i]`."""
        offsets = ends(length)
        first = self.offsets[rows] + start
        index = np.arange(offsets[-1]) + np.repeat(first - offsets[:-1], length)
        return IdLists(self.values[index], offsets)

    def take(self, rows: Places) -> IdLists:
        """Returns the lists at `rows`."""
        return self.gather(rows, np.zeros_like(rows), self.lengths[rows])

    def joined(self, counts: Places) -> IdLists:
        """Returns the first `counts[0]` lists as one, the next `counts[1]` as one, and so on."""
        return IdLists(self.values, self.offsets[ends(counts)])

    def followed_by(self, others: IdLists) -> IdLists:
        """Returns these lists and then the others."""
        offsets = np.concatenate([self.offsets, others.offsets[1:] + self.offsets[-1]])
        return IdLists(np.concatenate([self.values, others.values]), offsets)

    def to_arrow(self) -> pa.ListArray:
        """Returns a column; its type has room for 2^31 - 1 ids."""
        return pa.ListArray.from_arrays(
            pa.array(self.offsets.astype(np.int32)), pa.array(self.values)
        )


EMPTY = IdLists(np.empty(0, np.int32), np.zeros(1, np.int64))


def ends(lengths: Iterable[int]) -> Places:
    """Returns 0 and the running sum of `lengths`."""
    lengths = np.fromiter(lengths, np.int64)
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])


def split_pairs(texts: IdLists) -> tuple[IdLists, IdLists, IdLists]:
    """Returns the prompts, chosen and rejected completions of N pairs.

    Args:
        texts: 3N lists: of each pair its prompt, prompt + chosen, prompt + rejected. The prompt is what
            all three share from the start, a completion what follows it on its side.
    """
    first = np.arange(0, len(texts.offsets) - 1, 3)
    shared = np.minimum(_shared(texts, first, first + 1), _shared(texts, first, first + 2))
    lengths = texts.lengths
    return (
        texts.gather(first, np.zeros_like(first), shared),
        texts.gather(first + 1, shared, lengths[first + 1] - shared),
        texts.gather(first + 2, shared, lengths[first + 2] - shared),
    )


def _shared(lists: IdLists, rows: Places, others: Places) -> Places:
    """Returns how many ids the lists at `rows` and at `others` share from their start."""
    start = np.zeros_like(rows)
    shared = np.minimum(lists.lengths[rows], lists.lengths[others])
    left, right = (lists.gather(side, start, shared) for side in (rows, others))
    different = np.flatnonzero(left.values != right.values)
    pair = np.searchsorted(left.offsets, different, side="right") - 1
    pair, earliest = np.unique(pair, return_index=True)
    shared[pair] = different[earliest] - left.offsets[pair]
    return shared
