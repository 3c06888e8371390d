"""How many pairs fit into one forward and backward pass, found by trying.

Losses do not depend on how a global batch is cut, so the largest piece that fits may be taken. What is
tried is as large as a step gets: the longest pairs of the set, with room left for gradients that are
there from the piece before, AdamW's two moments, and what processes exchange.
"""

from __future__ import annotations

import gc
import os
import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from math import ceil
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from prefalign.data.dataset import PairDataset
from prefalign.engine.collate import MicroBatch, collate
from prefalign.engine.gradient_cache import Randomness
from prefalign.engine.logps import segment_logps
from prefalign.engine.offload import OffloadedActivations
from prefalign.engine.tree import Ints
from prefalign.errors import OutOfMemory
from prefalign.models.loading import Precision, autocast
from prefalign.preflight.device import available_memory
from prefalign.survival.out_of_memory import is_out_of_memory

ENOUGH = {"cpu": 4096}
"""Tokens of a pass, by device, beyond which larger ones are no faster."""

ENOUGH_ELSEWHERE = 32_768

SPARE = {"cpu": 1.8}
"""How many times as many pairs are tried as are then taken. glibc's malloc holds up to 0.8 of a pass's
activations beyond what is in use (measured: benchmarks/results.md, Planning)."""

SPARE_ELSEWHERE = 1.1  # PyTorch's own allocator keeps less

_MOMENTS = 2  # numbers that AdamW keeps for each trained weight
_REFINEMENTS = 2


class Trial(NamedTuple):
    """What a pass is tried with.

    Attributes:
        model: as the trainer will have it, not wrapped for several processes.
        data: the pairs of the run.
        device: where the model is.
        precision: of the run.
        log_sum_sq: the loss asks for it.
        processes: that train together.
        offload: activations wait for the backward pass in the host's memory.
        optimizer: that has its moments already; None for one that is still to come.
    """

    model: Any
    data: PairDataset
    device: torch.device
    precision: Precision
    log_sum_sq: bool
    processes: int
    offload: bool = False
    optimizer: Any = None

    def fits(self, pairs: int) -> bool:
        """Returns whether `pairs` of the longest pairs can be trained on at once, on this process.

        With room to spare, but for a single pair: there is nothing smaller to fall back to. Weights,
        gradients and random generators are as before when it returns.
        """
        spare = SPARE.get(self.device.type, SPARE_ELSEWHERE)
        return self._has_room_for(1 if pairs == 1 else ceil(pairs * spare))

    def _has_room_for(self, pairs: int) -> bool:
        self._clear()
        try:
            with _within_limits(self.device), Randomness(self.device).again():
                self._step(pairs)
        # what runs out of memory raises a dozen types, and anything else is not ours to judge
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            return False
        finally:
            self._clear()
        return True

    def _step(self, pairs: int) -> None:
        """Runs two passes, so that the second one finds gradients, as it does in a step of several."""
        room = list(self._room())
        training = self.model.training
        self.model.train()
        try:
            for _ in range(2):
                batch = on_device(collate(self.data, longest(self.data, pairs)), self.device)
                with autocast(self.device, self.precision), self._activations():
                    sums = segment_logps(self.model, batch, log_sum_sq=self.log_sum_sq)
                learnt = [part.sum() for part in sums if part is not None and part.requires_grad]
                torch.autograd.backward(torch.stack(learnt).sum())
        finally:
            self.model.train(training)
        del room

    def _activations(self) -> AbstractContextManager[Any]:
        return OffloadedActivations(self.model, self.device) if self.offload else nullcontext()

    def _room(self) -> Iterator[Tensor]:
        """Yields memory that a run will need besides."""
        known = () if self.optimizer is None else self.optimizer.state
        exchanged = 1 if self.processes > 1 else 0
        for weight in self.model.parameters():
            if weight.requires_grad:
                numbers = exchanged + (0 if weight in known else _MOMENTS)
                yield torch.empty(numbers * weight.numel(), dtype=torch.float32, device=self.device)

    def _clear(self) -> None:
        for weight in self.model.parameters():
            weight.grad = None
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self.device)


def find(trial: Trial, most: int, say: Callable[[str], None]) -> int:
    """Returns the most pairs that fit, tried downwards by halves, on all processes alike.

    Args:
        trial: what is tried; all processes call this together, each with its own.
        most: pairs to begin with.
        say: hears of each number that was tried.

    Raises:
        OutOfMemory: not even one pair fits.
    """
    size = most
    while not _agreed(fits := trial.fits(size), trial):
        say(f"micro-batch: {size} {_pairs(size)} at once do not fit with room to spare")
        if size == 1:
            raise _nothing_fits(trial)
        size //= 2
    assert fits
    return size


def largest(fits: Callable[[int], bool], too_many: int) -> int:
    """Returns about the most pairs that `fits`, below `too_many`; 0 where not even one does."""
    size, known_too_many = too_many // 2, too_many
    while size and not fits(size):
        known_too_many, size = size, size // 2
    for _ in range(_REFINEMENTS if size else 0):
        between = (size + known_too_many) // 2
        if between in (size, known_too_many):
            break
        if fits(between):
            size = between
        else:
            known_too_many = between
    return size


def most_worth_trying(
    data: PairDataset, global_batch_size: int, processes: int, device: str
) -> int:
    """Returns how many of the longest pairs make a pass that is large enough, and no step is too small for.

    Args:
        data: the pairs.
        global_batch_size: pairs per optimiser step of all processes.
        processes: that share it.
        device: cpu, cuda or another.
    """
    most = -(-min(global_batch_size, len(data)) // processes)
    tokens = np.cumsum(_tokens(data)[_longest_first(data)][:most])
    enough = np.searchsorted(tokens, ENOUGH.get(device, ENOUGH_ELSEWHERE), side="right")
    return max(int(enough), 1)


def longest(data: PairDataset, pairs: int) -> MicroBatch:
    """Returns the `pairs` pairs that take the most memory together, each prompt once where it can be."""
    places = np.resize(_longest_first(data), pairs)
    return MicroBatch(places, np.ones(pairs), pairs, int(data.nll_tokens[places].sum()))


def on_device(batch: Any, device: torch.device) -> Any:
    """Returns a batch with its tensors on `device`."""
    return {name: tensor.to(device) for name, tensor in batch.items()}


def _tokens(data: PairDataset) -> Ints:
    """Returns (P,) tokens that a pair alone is computed with."""
    if data.layout == "shared":
        return data.costs.prompts + data.costs.completions
    return 2 * data.lengths


def _longest_first(data: PairDataset) -> Ints:
    """Returns all places: the longest pair of each prompt, longest first, and then all others."""
    by_length = np.argsort(-_tokens(data), kind="stable")
    _, firsts = np.unique(data.prompt_ids[by_length], return_index=True)
    is_first = np.isin(np.arange(len(by_length)), firsts)
    return np.concatenate([by_length[is_first], by_length[~is_first]])


def _agreed(fits: bool, trial: Trial) -> bool:  # noqa: FBT001 - the answer of this process
    """Returns whether it fits on every process; all of them call this."""
    if trial.processes == 1:
        return fits
    flag = torch.tensor(int(fits), device=trial.device)
    torch.distributed.all_reduce(flag, torch.distributed.ReduceOp.MIN)
    return bool(flag)


def _pairs(number: int) -> str:
    return "pair" if number == 1 else "pairs"


def _nothing_fits(trial: Trial) -> OutOfMemory:
    tokens = int(_tokens(trial.data).max())
    return OutOfMemory(
        f"not even the longest pair, of {tokens:,} tokens, fits beside weights, gradients and moments",
        hint="--set hardware.gradient_checkpointing=true, a lower data.max_length, or adapters: "
        "--set model.lora={}",
    )


@contextmanager
def _within_limits(device: torch.device) -> Iterator[None]:
    """Has the system refuse what this machine cannot give, where it would kill the process instead.

    Linux promises memory that it does not have, and ends processes when it is asked to keep its word;
    so does a container with a limit. GPUs refuse by themselves.
    """
    if device.type != "cpu" or sys.platform != "linux":
        yield
        return
    import psutil

    share = available_memory() // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    known = [psutil.Process().memory_info().vms + share]
    known += [limit for limit in (soft, hard) if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_AS, (min(known), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
