"""How fast a training goes, with the time of evaluations and checkpoints left out."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from prefalign.data.dataset import PairDataset
from prefalign.engine.collate import MicroBatch, collate
from prefalign.plan.flops import training
from prefalign.plan.hardware import gpu_named
from prefalign.plan.reads import reads
from prefalign.plan.shape import Shape, read_shape
from prefdata.errors import PrefError

if TYPE_CHECKING:
    from prefalign.config import Model
    from prefalign.engine.logps import Batch
    from prefalign.models.loading import Precision


class Pace:
    """A stopwatch over the steps between two log lines."""

    def __init__(self) -> None:
        self.begin(0)

    def begin(self, step: int) -> None:
        """Starts when `step` steps are done, perhaps in another process."""
        self._step = step
        self.restart()

    def restart(self) -> None:
        """Starts afresh: what has passed since the last line was no training."""
        self._since = time.monotonic()
        self._paused = 0.0

    def pause(self, seconds: float) -> None:
        """Leaves out what an evaluation took."""
        self._paused += seconds

    def take(self, step: int) -> tuple[int, float]:
        """Returns the step of the last call, and the seconds of training since, and starts afresh."""
        before, self._step = self._step, step
        seconds = time.monotonic() - self._since - self._paused
        self.restart()
        return before, max(seconds, 1e-9)


class UsefulWork:
    """The fewest operations that training on pairs takes: prompts once, nothing padded or recomputed.

    Args:
        shape: of the model.
        data: the pairs.
        peak: operations a second of this process's device.
    """

    def __init__(self, shape: Shape, data: PairDataset, peak: float) -> None:
        self.shape = shape
        self.data = data
        self.peak = peak
        self.done = 0.0

    @classmethod
    def of_run(
        cls, model: Model, data: PairDataset, device: str, precision: Precision
    ) -> UsefulWork | None:
        """Returns it where the device is a known GPU in bf16 and the model of a known shape, else None."""
        gpu = gpu_named(device)
        if gpu is None or precision != "bf16":
            return None
        try:
            shape, _ = read_shape(model)
        except (PrefError, AttributeError, TypeError):  # of a kind that cannot be counted
            return None
        return cls(shape, data, gpu.flops)

    def add(self, batch: Batch) -> None:
        """Counts a micro-batch, which is still on the CPU."""
        if self.data.layout != "shared":
            pairs = batch["pairs"].numpy()
            batch = collate(self.data, MicroBatch.of(pairs), "shared")
        self.done += training(self.shape, reads(batch), checkpointing=False).total

    def utilisation(self, seconds: float) -> float:
        """Returns the share of the peak over what was counted since the last call (useful MFU)."""
        done, self.done = self.done, 0.0
        return done / (seconds * self.peak)
