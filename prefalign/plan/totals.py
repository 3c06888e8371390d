"""The sums over all forward passes of a run: its work, and the most that it holds at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from prefalign.config import RunConfig
from prefalign.data.dataset import PairDataset
from prefalign.losses import loss_of
from prefalign.plan.flops import again, forward, training
from prefalign.plan.memory import Held, Setup, reference_memory, step_memory, update_memory
from prefalign.plan.reads import Reads
from prefalign.plan.record import Flops, Work
from prefalign.plan.schedule import (
    Pass,
    evaluations,
    scoring_passes,
    training_passes,
)
from prefalign.plan.steps import steps_in_all, steps_per_epoch

Progress: TypeAlias = Callable[[int], object]

NOTHING = Flops(body=0, attention=0, head=0)


class Totals(NamedTuple):
    """What a run comes to.

    Attributes:
        work: how much there is to do.
        training: bytes where training holds the most.
        scoring: bytes where passes without gradients hold the most; 0 without any.
    """

    work: Work
    training: Held
    scoring: int


@dataclass
class _Training:
    """The sums over the passes that train, and the most that is held: in one of them, or by AdamW."""

    setup: Setup
    steps: int
    largest: Held
    passes: int = 0
    pairs: int = 0
    tokens: int = 0
    read: int = 0
    scored: int = 0
    flops: Flops = NOTHING
    forward_again: Flops = NOTHING

    def add(self, one: Pass) -> None:
        """Counts a pass."""
        self.passes += 1
        self.pairs += one.pairs
        self.tokens += one.tokens
        self.read += one.reads.tokens
        self.scored += one.reads.scored
        self.flops += training(self.setup.shape, one.reads, checkpointing=self.setup.checkpointing)
        self.forward_again += again(self.setup.shape, one.reads)
        held = step_memory(self.setup, one.reads, first=one.first, moments=one.step > 0)
        self.largest = max(held, self.largest, key=sum)


def totals(
    config: RunConfig,
    setup: Setup,
    train: PairDataset,
    test: PairDataset | None,
    progress: Progress = lambda _: None,
) -> Totals:
    """Returns the sums over a run.

    Args:
        config: the run.
        setup: what decides bytes.
        train: the pairs, in the run's layout.
        test: the held-out pairs, likewise.
        progress: called with the number of pairs done after each pass that was looked at.
    """
    loss = loss_of(config.method)
    trained = _Training(setup, steps_in_all(config, len(train)), update_memory(setup))
    for one in training_passes(config, train, setup.processes):
        trained.add(one)
        progress(one.pairs)
    if not loss.facts.pair_separable and trained.passes > trained.steps:
        trained.flops += trained.forward_again
    reference = _Scored.of(setup, scoring_passes(config, train) if config.needs_reference else ())
    held_out = _Scored.of(setup, scoring_passes(config, test) if test is not None else ())
    return Totals(
        _work(config, trained, reference, held_out, steps_per_epoch(config, len(train))),
        training=trained.largest,
        scoring=max(reference.peak, held_out.peak),
    )


def _work(
    config: RunConfig, trained: _Training, reference: _Scored, held_out: _Scored, per_epoch: int
) -> Work:
    times = evaluations(config, trained.steps)
    untouched, evaluation = reference.flops + held_out.flops, held_out.flops.times(times)
    return Work(
        steps=trained.steps,
        steps_per_epoch=per_epoch,
        pairs=trained.pairs,
        forward_passes=trained.passes,
        tokens=trained.tokens,
        tokens_read=trained.read,
        tokens_scored=trained.scored,
        evaluations=times,
        training=trained.flops,
        reference=untouched,
        evaluation=evaluation,
        flops=trained.flops.total + untouched.total + evaluation.total,
    )


class _Scored(NamedTuple):
    """What scoring a set once takes: operations, and bytes at the peak."""

    flops: Flops
    peak: int

    @classmethod
    def of(cls, setup: Setup, passes: Iterable[Reads]) -> _Scored:
        flops, peak = NOTHING, 0
        for one in passes:
            flops += forward(setup.shape, one)
            peak = max(peak, reference_memory(setup, one))
        return cls(flops, peak)
