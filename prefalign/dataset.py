"""Pairs of a token store as batches whose loss does not depend on how they were cut.

A global batch is a set of pairs: a pure function of seed, epoch and the number of pairs. How many
processes share it, and how many micro-batches each makes of its share, changes neither its pairs nor
what the loss is divided by, so neither changes the loss.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from prefalign.engine.logps import Batch
from prefalign.losses import NllSpan

Ints: TypeAlias = npt.NDArray[np.int64]


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


class PairDataset(Dataset[Batch]):
    """Token ids by place in the store, as numpy views of its memory-mapped columns.

    Args:
        table: `TokenStore.table`.
        nll_over: which tokens the loss's NLL term covers; None where it has none.
        reference: (P, 2) float64 nats, log-probs of chosen and rejected under the reference.
    """

    def __init__(
        self,
        table: pa.Table,
        nll_over: NllSpan | None = None,
        reference: npt.NDArray[np.float64] | None = None,
    ) -> None:
        self.ids: list[str] = table["id"].to_pylist()
        self.prompts = TokenLists.of(table["prompt_ids"])
        self.sides = (TokenLists.of(table["chosen_ids"]), TokenLists.of(table["rejected_ids"]))
        self.reference = reference
        self.nll_over = nll_over
        self.lengths = self.prompts.lengths + np.maximum(*(side.lengths for side in self.sides))
        self.nll_tokens = self._nll_tokens()

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> Batch:
        return self.__getitems__(_alone(index))

    def __getitems__(self, micro_batch: MicroBatch) -> Batch:
        """Returns the tensors of one forward pass; PyTorch's loader calls this per batch."""
        return collate(self, micro_batch)

    def scored_tokens(self, side: int) -> Ints:
        """Returns (P,) completion tokens of chosen (0) or rejected (1) that something predicts."""
        unpredicted = self.prompts.lengths == 0  # then nothing comes before the first token
        scored: Ints = self.sides[side].lengths - unpredicted
        return scored

    def _nll_tokens(self) -> Ints:
        if self.nll_over == "all":
            return self.prompts.lengths + self.sides[0].lengths - 1
        return self.scored_tokens(0)


@dataclass(frozen=True)
class TokenLists:
    """A column of token lists: item i is values[offsets[i]:offsets[i + 1]]."""

    values: npt.NDArray[np.int32]
    offsets: Ints

    @classmethod
    def of(cls, column: pa.ChunkedArray) -> TokenLists:
        """Returns the column without copying its tokens (one chunk) or with one copy (several)."""
        array = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
        offsets = array.offsets.to_numpy().astype(np.int64)
        return cls(array.values.to_numpy(), offsets)

    def __getitem__(self, index: int) -> npt.NDArray[np.int32]:
        return self.values[self.offsets[index] : self.offsets[index + 1]]

    @property
    def lengths(self) -> Ints:
        """(P,) tokens of each item."""
        lengths: Ints = self.offsets[1:] - self.offsets[:-1]
        return lengths


def _alone(index: int) -> MicroBatch:
    return MicroBatch(np.array([index]), np.ones(1), 1, 1)


def collate(data: PairDataset, micro: MicroBatch) -> Batch:
    """Returns the tensors of `micro`; see `Batch` for shapes."""
    rows = [(data.prompts[i], side[i]) for side in data.sides for i in micro.pairs]
    width = max(len(prompt) + len(completion) for prompt, completion in rows) - 1
    input_ids = np.zeros((len(rows), max(width, 1)), np.int64)
    pieces: list[tuple[Ints, npt.NDArray[np.int32], int]] = []
    for row, (prompt, completion) in enumerate(rows):
        tokens = np.concatenate((prompt, completion))
        input_ids[row, : len(tokens) - 1] = tokens[:-1]
        first = max(len(prompt), 1)
        places = row * input_ids.shape[1] + np.arange(len(tokens) - 1)
        pieces.append((places[first - 1 :], tokens[first:], row))
        if data.nll_over == "all" and row < len(micro.pairs):
            pieces.append((places[: first - 1], tokens[1:first], row + len(rows)))
    return _tensors(data, micro, input_ids, pieces)


def _tensors(
    data: PairDataset,
    micro: MicroBatch,
    input_ids: Ints,
    pieces: Sequence[tuple[Ints, npt.NDArray[np.int32], int]],
) -> Batch:
    sizes = [len(targets) for _, targets, _ in pieces]
    completions = [len(targets) for _, targets, segment in pieces if segment < len(input_ids)]
    batch = Batch(
        input_ids=torch.from_numpy(input_ids),
        positions=torch.from_numpy(np.concatenate([places for places, _, _ in pieces])),
        targets=torch.from_numpy(np.concatenate([t for _, t, _ in pieces]).astype(np.int64)),
        segments=torch.tensor([s for _, _, s in pieces]).repeat_interleave(torch.tensor(sizes)),
        completion_tokens=torch.tensor(completions),
        nll_tokens=torch.from_numpy(data.nll_tokens[micro.pairs]),
        weights=torch.from_numpy(micro.weights),
        pairs=torch.from_numpy(micro.pairs),
        global_pairs=torch.tensor(micro.global_pairs),
        global_nll_tokens=torch.tensor(micro.global_nll_tokens),
    )
    if data.reference is not None:
        batch["reference"] = torch.from_numpy(data.reference[micro.pairs].T.ravel())
    return batch


class GlobalBatches(Sampler[MicroBatch]):
    """The micro-batches of one process, global batch by global batch.

    Every global batch makes the same number of micro-batches on every process, so that gradients are
    exchanged at the same step everywhere; only the last one of an epoch may be smaller.

    Args:
        data: what is sampled.
        global_batch_size: pairs per optimiser step.
        micro_batch_size: most pairs per forward pass.
        rank, processes: which share of each global batch is wanted.
        seed: of the order.
    """

    def __init__(
        self,
        data: PairDataset,
        *,
        global_batch_size: int,
        micro_batch_size: int,
        rank: int = 0,
        processes: int = 1,
        seed: int = 0,
    ) -> None:
        self.data = data
        self.global_batch_size = min(global_batch_size, len(data))
        self.micro_batch_size = micro_batch_size
        self.rank = rank
        self.processes = processes
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Chooses the order of the next iteration; the trainer calls it before each epoch."""
        self.epoch = epoch

    @property
    def accumulation(self) -> int:
        """Micro-batches per process and global batch."""
        return self._steps(self.global_batch_size)

    def __len__(self) -> int:
        full, rest = divmod(len(self.data), self.global_batch_size)
        return full * self.accumulation + (self._steps(rest) if rest else 0)

    def __iter__(self) -> Iterator[MicroBatch]:
        order = epoch_order(len(self.data), seed=self.seed, epoch=self.epoch)
        for start in range(0, len(order), self.global_batch_size):
            yield from self._share(order[start : start + self.global_batch_size])

    def _steps(self, pairs: int) -> int:
        return -(-pairs // (self.micro_batch_size * self.processes))

    def _share(self, pairs: Ints) -> Iterator[MicroBatch]:
        """Yields this process's part of a global batch.

        Pairs of similar length go into one micro-batch (little padding), and processes take turns
        in picking the longer one of a round (equal work).
        """
        longest_first = pairs[np.argsort(-self.data.lengths[pairs], kind="stable")]
        tokens = int(self.data.nll_tokens[pairs].sum())
        cuts = np.array_split(longest_first, self._steps(len(pairs)) * self.processes)
        for step in range(self._steps(len(pairs))):
            turn = self.rank if step % 2 == 0 else self.processes - 1 - self.rank
            share = cuts[step * self.processes + turn]
            weights = np.ones(len(share))
            if len(share) == 0:  # fewer pairs than processes: take part, count for nothing
                share, weights = longest_first[-1:], np.zeros(1)
            yield MicroBatch(share, weights, len(pairs), tokens)


def pairs_seen(steps: int, pairs: int, global_batch_size: int) -> int:
    """Returns how many of `pairs` the first `steps` global batches hold, every epoch counted."""
    batch = min(global_batch_size, pairs)
    epochs, rest = divmod(steps, -(-pairs // batch))
    return epochs * pairs + rest * batch


def epoch_order(pairs: int, *, seed: int, epoch: int) -> Ints:
    """Returns a permutation of range(pairs), the same on every machine.

    The raw stream of PCG64 is fixed by numpy; its `permutation` is not.
    """
    keys = np.random.PCG64([seed, epoch]).random_raw(pairs)
    return np.argsort(keys, kind="stable")


class PairLoader(DataLoader[Any]):
    """A loader that passes the epoch on to `GlobalBatches`."""

    def set_epoch(self, epoch: int) -> None:
        """Chooses the order of the next iteration."""
        self.batch_sampler.set_epoch(epoch)  # type: ignore[union-attr]


def load(data: PairDataset, batches: Sampler[MicroBatch]) -> PairLoader:
    """Returns a loader over `batches`; each item is a collated `Batch`."""
    return PairLoader(data, batch_sampler=batches, collate_fn=_as_is)  # type: ignore[arg-type]


def _as_is(batch: Batch) -> Batch:
    return batch
