"""Pairs of token ids to the tensors of one forward pass."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from prefalign.engine.logps import Batch
from prefalign.engine.tree import Ints, Layout, Rows, arrange

if TYPE_CHECKING:
    from prefalign.data.dataset import PairDataset


class MicroBatch(NamedTuple):
    """The pairs of one forward pass, and the size of the global batch they belong to.

    Attributes:
        pairs: (B,) places in the token store.
        weights: (B,) 1, or 0 for a pair that stands in where a process has none left.
        global_pairs: pairs of the global batch.
        global_nll_tokens: tokens of the NLL term in the global batch.
    """

    pairs: Ints
    weights: npt.NDArray[np.float64]
    global_pairs: int
    global_nll_tokens: int

    @classmethod
    def of(cls, pairs: Ints) -> MicroBatch:
        """Returns pairs (B,) for a pass whose log-probs are wanted, and no loss."""
        return cls(pairs, np.ones(len(pairs)), len(pairs), 1)


def collate(data: PairDataset, micro: MicroBatch, layout: Layout | None = None) -> Batch:
    """Returns the tensors of `micro`; see `Batch` for shapes.

    Args:
        data: the pairs.
        micro: which of them.
        layout: instead of that of `data`.
    """
    group = _Group.of(data, micro.pairs)
    rows = arrange([tokens[:-1] for tokens in group.sequences], layout or data.layout)
    pieces = list(_pieces(data, group, rows))
    places, targets, scores = distinct_targets(
        np.concatenate([places for places, _, _ in pieces]),
        np.concatenate([targets for _, targets, _ in pieces]),
    )
    sizes = [len(places) for places, _, _ in pieces]
    batch = Batch(
        input_ids=torch.from_numpy(rows.input_ids),
        positions=torch.from_numpy(places),
        targets=torch.from_numpy(targets),
        scores=torch.from_numpy(scores),
        segments=torch.from_numpy(np.repeat([segment for _, _, segment in pieces], sizes)),
        edges=torch.from_numpy(group.edges),
        completion_tokens=torch.from_numpy(_scored_tokens(data, micro.pairs)),
        nll_tokens=torch.from_numpy(data.nll_tokens[micro.pairs]),
        weights=torch.from_numpy(micro.weights),
        pairs=torch.from_numpy(micro.pairs),
        global_pairs=torch.tensor(micro.global_pairs),
        global_nll_tokens=torch.tensor(micro.global_nll_tokens),
    )
    _add_views(batch, rows)
    if data.reference is not None:
        batch["reference"] = torch.from_numpy(data.reference[micro.pairs].T.ravel())
    if data.label_probability is not None:
        batch["label_probability"] = torch.from_numpy(data.label_probability[micro.pairs])
    return batch


class _Group(NamedTuple):
    """The distinct sequences of some pairs, and the pairs as edges between them.

    Attributes:
        sequences: prompt + completion of each of C completions.
        firsts: (C,) place of each one's first token that something predicts.
        speakers: (G,) a completion whose path leads through each of G prompts.
        edges: (3, B) int64: chosen, rejected (of C) and the prompt (C + g); with tails (5, B), each of
            them (from C + G on) a sum of its own.
    """

    sequences: list[npt.NDArray[np.int32]]
    firsts: Ints
    speakers: Ints
    edges: Ints

    @classmethod
    def of(cls, data: PairDataset, pairs: Ints) -> _Group:
        """Returns the sequences of `pairs`, each completion of a prompt once."""
        sides = data.completion_ids[pairs].T.ravel()
        _, owners, completions = np.unique(sides, return_index=True, return_inverse=True)
        places, chosen_or_not = pairs[owners % len(pairs)], owners // len(pairs)
        sequences = [
            np.concatenate((data.prompts[place], data.sides[side][place]))
            for place, side in zip(places, chosen_or_not, strict=True)
        ]
        _, firsts, prompts = np.unique(
            data.prompt_ids[pairs], return_index=True, return_inverse=True
        )
        ends = np.vstack((completions.reshape(2, -1), prompts + len(sequences)))
        if data.tails:
            tails = np.arange(2 * len(pairs)).reshape(2, -1) + len(sequences) + len(firsts)
            ends = np.vstack((ends, tails))
        first_scored = np.maximum(data.prompts.lengths[places], 1)
        return cls(sequences, first_scored, completions[firsts], ends)


def _pieces(
    data: PairDataset, group: _Group, rows: Rows
) -> Iterator[tuple[Ints, npt.NDArray[np.int32], int]]:
    """Yields, for each sum, where its tokens are predicted, the tokens, and the sum's number."""
    for number, (tokens, path, first) in enumerate(
        zip(group.sequences, rows.paths, group.firsts, strict=True)
    ):
        yield path[first - 1 :], tokens[first:], number
    if data.tails:
        yield from _tails(group, rows)
    if data.nll_over != "all":
        return
    for number, speaker in enumerate(group.speakers, start=len(group.sequences)):
        first = group.firsts[speaker]
        yield rows.paths[speaker][: first - 1], group.sequences[speaker][1:first], number


def _tails(group: _Group, rows: Rows) -> Iterator[tuple[Ints, npt.NDArray[np.int32], int]]:
    """Yields the same of the tokens that a completion has more than the other one of its pair."""
    scored = np.array([len(tokens) for tokens in group.sequences]) - group.firsts
    for sides, numbers in zip(group.edges[:2].T, group.edges[3:].T, strict=True):
        for side, number in zip(sides, numbers, strict=True):
            first = group.firsts[side] + scored[sides].min()
            yield rows.paths[side][first - 1 :], group.sequences[side][first:], number


def distinct_targets(places: Ints, targets: npt.NDArray[np.int32]) -> tuple[Ints, Ints, Ints]:
    """Returns the distinct (place, target) in order of place, and for each given one its number."""
    both = (places << 32) | targets
    distinct, numbers = np.unique(both, return_inverse=True)
    return distinct >> 32, distinct & 0xFFFFFFFF, numbers


def _scored_tokens(data: PairDataset, pairs: Ints) -> Ints:
    return np.concatenate([data.scored_tokens(side)[pairs] for side in (0, 1)])


def _add_views(batch: Batch, rows: Rows) -> None:
    if rows.positions is None or rows.views is None:
        return
    batch["position_ids"] = torch.from_numpy(rows.positions)[None]
    batch["keys"] = torch.from_numpy(rows.views.keys)
    batch["query_starts"] = torch.from_numpy(rows.views.query_starts)
    batch["key_starts"] = torch.from_numpy(rows.views.key_starts)
