"""Pairs of a token store as batches whose loss does not depend on how they were cut.

A global batch is a set of pairs: a pure function of seed, epoch and the number of pairs. How many
processes share it, and how many micro-batches each makes of its share, changes neither its pairs nor
what the loss is divided by, so neither changes the loss.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from torch.utils.data import DataLoader, Dataset, Sampler

from prefalign.engine.bins import Costs, Limits, by_cost, by_length
from prefalign.engine.collate import MicroBatch, collate
from prefalign.engine.logps import Batch
from prefalign.engine.tree import Ints, Layout
from prefalign.losses import NllSpan


class PairDataset(Dataset[list[Batch]]):
    """Token ids by place in the store, as numpy views of its memory-mapped columns.

    Args:
        table: `TokenStore.table`.
        nll_over: which tokens the loss's NLL term covers; None where it has none.
        reference: (P, 2) float64 nats, log-probs of chosen and rejected under the reference; (P, 4)
            with those of their tails.
        layout: how the pairs of a forward pass share it.
        tails: the loss asks for what a completion says past the length of the other one of its pair.
        label_probability: (P,) float64, for a loss that asks for it.
    """

    def __init__(
        self,
        table: pa.Table,
        nll_over: NllSpan | None = None,
        reference: npt.NDArray[np.float64] | None = None,
        layout: Layout = "padded",
        *,
        tails: bool = False,
        label_probability: npt.NDArray[np.float64] | None = None,
    ) -> None:
        self.ids: list[str] = table["id"].to_pylist()
        self.prompts = TokenLists.of(table["prompt_ids"])
        self.sides = (TokenLists.of(table["chosen_ids"]), TokenLists.of(table["rejected_ids"]))
        self.reference = reference
        self.nll_over = nll_over
        self.layout: Layout = layout
        self.tails = tails
        self.label_probability = label_probability
        self.lengths = self.prompts.lengths + np.maximum(*(side.lengths for side in self.sides))
        self.nll_tokens = self._nll_tokens()

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> list[Batch]:
        return [collate(self, MicroBatch.of(np.array([index])))]

    def __getitems__(self, share: list[MicroBatch]) -> list[Batch]:
        """Returns a process's share of a global batch; PyTorch's loader calls this for each."""
        return [collate(self, micro_batch) for micro_batch in share]

    @cached_property
    def prompt_ids(self) -> Ints:
        """(P,) equal for pairs with equal prompts; numbered in the order of the store."""
        return _numbered(self.prompts[place].tobytes() for place in range(len(self)))

    @cached_property
    def completion_ids(self) -> Ints:
        """(P, 2) equal for equal completions of equal prompts: chosen and rejected of each pair."""
        both = (
            (prompt, side[place].tobytes())
            for place, prompt in enumerate(self.prompt_ids.tolist())
            for side in self.sides
        )
        return _numbered(both).reshape(-1, 2)

    @cached_property
    def costs(self) -> Costs:
        """Tokens of each pair, for `prefalign.engine.bins`."""
        completions = self.sides[0].lengths + self.sides[1].lengths
        return Costs(self.prompt_ids, self.prompts.lengths, completions)

    def scored_tokens(self, side: int) -> Ints:
        """Returns (P,) completion tokens of chosen (0) or rejected (1) that something predicts."""
        unpredicted = self.prompts.lengths == 0  # then nothing comes before the first token
        scored: Ints = self.sides[side].lengths - unpredicted
        return scored

    def bins(self, pairs: Ints, limits: Limits, multiple: int) -> list[Ints]:
        """Returns `pairs` divided among forward passes in the way that suits the layout."""
        if self.layout == "padded":
            return by_length(self.lengths, pairs, limits, multiple)
        return by_cost(self.costs, pairs, limits, multiple)

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


def _numbered(keys: Iterable[Hashable]) -> Ints:
    """Returns a number for each key: 0 for the first and for its equals, 1 for the next other one."""
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], np.int64)


class GlobalBatches(Sampler[list[MicroBatch]]):
    """One process's micro-batches of each global batch.

    A global batch makes the same number of micro-batches on every process, and the n-th of each cost
    about the same, so that no process waits long for another. Pairs with the same prompt are neighbours
    in an epoch's order: they are computed together, and as in InstructGPT (arXiv:2203.02155, section
    3.5) a prompt with many answers makes one step with all its comparisons, not many steps.

    Args:
        data: what is sampled.
        global_batch_size: pairs per optimiser step.
        limits: of one forward pass.
        rank, processes: which share of each global batch is wanted.
        seed: of the order.
    """

    def __init__(
        self,
        data: PairDataset,
        *,
        global_batch_size: int,
        limits: Limits,
        rank: int = 0,
        processes: int = 1,
        seed: int = 0,
    ) -> None:
        self.data = data
        self.global_batch_size = min(global_batch_size, len(data))
        self.limits = limits
        self.rank = rank
        self.processes = processes
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Chooses the order of the next iteration; the trainer calls it before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-len(self.data) // self.global_batch_size)

    def __iter__(self) -> Iterator[list[MicroBatch]]:
        order = epoch_order(self.data.prompt_ids, seed=self.seed, epoch=self.epoch)
        for start in range(0, len(order), self.global_batch_size):
            yield self._share(order[start : start + self.global_batch_size])

    def _share(self, pairs: Ints) -> list[MicroBatch]:
        """Returns this process's part of a global batch; processes take turns with the costlier bin."""
        bins = self.data.bins(pairs, self.limits, self.processes)
        tokens = int(self.data.nll_tokens[pairs].sum())
        share = []
        for step, start in enumerate(range(0, len(bins), self.processes)):
            turn = self.rank if step % 2 == 0 else self.processes - 1 - self.rank
            own = bins[start + turn]
            weights = np.ones(len(own))
            if len(own) == 0:  # fewer pairs than processes: take part, count for nothing
                own, weights = bins[0][:1], np.zeros(1)
            share.append(MicroBatch(own, weights, len(pairs), tokens))
        return share


def pairs_seen(steps: int, pairs: int, global_batch_size: int) -> int:
    """Returns how many of `pairs` the first `steps` global batches hold, every epoch counted."""
    batch = min(global_batch_size, pairs)
    epochs, rest = divmod(steps, -(-pairs // batch))
    return epochs * pairs + rest * batch


def epoch_order(prompt_ids: Ints, *, seed: int, epoch: int) -> Ints:
    """Returns a permutation of the pairs, the same on every machine; pairs of a prompt stay in a row.

    The raw stream of PCG64 is fixed by numpy; its `permutation` is not.

    Args:
        prompt_ids: (P,) of each pair, numbered from 0.
        seed: of the run.
        epoch: numbered from 0.
    """
    prompts = int(prompt_ids.max()) + 1
    keys = np.random.PCG64([seed, epoch]).random_raw(prompts)
    return np.argsort(keys[prompt_ids], kind="stable")


class PairLoader(DataLoader[Any]):
    """A loader that passes the epoch on to `GlobalBatches`."""

    def set_epoch(self, epoch: int) -> None:
        """Chooses the order of the next iteration."""
        self.batch_sampler.set_epoch(epoch)  # type: ignore[union-attr]


def load(data: PairDataset, batches: Sampler[list[MicroBatch]]) -> PairLoader:
    """Returns a loader over `batches`; each item is the list of a share's collated `Batch`es."""
    return PairLoader(data, batch_sampler=batches, collate_fn=_as_is)


def _as_is(share: list[Batch]) -> list[Batch]:
    return share
