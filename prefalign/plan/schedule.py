"""Every forward pass of a run, in the order of the run: the trainer's own batches, without a model."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, islice
from typing import NamedTuple

import numpy as np

from prefalign.config import RunConfig
from prefalign.data.batches import global_batches, pair_tokens
from prefalign.data.dataset import PairDataset
from prefalign.engine.bins import Limits
from prefalign.engine.collate import MicroBatch, collate
from prefalign.plan.reads import Reads, reads
from prefalign.plan.steps import steps_in_all


class Pass(NamedTuple):
    """One forward and backward pass.

    Attributes:
        step: that it is part of, from 0.
        first: of its process's share of a step.
        pairs: that count; those that only fill a share do not.
        tokens: of these pairs, a prompt with each completion.
        reads: its sizes.
    """

    step: int
    first: bool
    pairs: int
    tokens: int
    reads: Reads


def training_passes(config: RunConfig, data: PairDataset, processes: int) -> Iterator[Pass]:
    """Yields the passes of all processes, step by step."""
    tokens = pair_tokens(data)
    steps = islice(_steps(config, data, processes), steps_in_all(config, len(data)))
    for step, shares in enumerate(steps):
        for share in shares:
            for number, micro in enumerate(share):
                counted = micro.pairs[micro.weights > 0]
                yield Pass(
                    step,
                    number == 0,
                    len(counted),
                    int(tokens[counted].sum()),
                    reads(collate(data, micro)),
                )


def _steps(
    config: RunConfig, data: PairDataset, processes: int
) -> Iterator[tuple[list[MicroBatch], ...]]:
    """Yields the shares of all processes in each step, for ever."""
    samplers = [
        global_batches(config, data, rank=rank, processes=processes) for rank in range(processes)
    ]
    for epoch in count():
        for sampler in samplers:
            sampler.set_epoch(epoch)
        yield from zip(*samplers, strict=True)


def scoring_passes(config: RunConfig, data: PairDataset) -> Iterator[Reads]:
    """Yields the passes that score a set once, as `prefalign.score` makes them in one process."""
    limits = Limits(pairs=config.eval.micro_batch_size)
    for places in data.bins(np.arange(len(data)), limits, 1):
        yield reads(collate(data, MicroBatch.of(places)))


def evaluations(config: RunConfig, steps: int) -> int:
    """Returns how often the policy scores the held-out pairs: on the way, and at the end.

    Before the first step it is the reference, whose scores are known.
    """
    if config.data.test is None:
        return 0
    every = config.eval.every_steps
    on_the_way, rest = divmod(steps, every) if every else (0, steps)
    return on_the_way + (1 if rest else 0)
