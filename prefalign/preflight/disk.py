"""Room for what a run writes: the trained model, and checkpoints with AdamW's two moments."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from prefalign.config import Output, RunConfig
from prefalign.plan.activations import FP32
from prefalign.plan.shape import Shape
from prefalign.preflight.problem import Problem
from prefalign.survival.checkpoints import KEPT
from prefalign.survival.claim import refuse_to_overwrite_inputs
from prefalign.units import bytes_text
from prefdata.errors import PrefError


class Written(NamedTuple):
    """Bytes that a run leaves on disk.

    Attributes:
        model: the trained weights, or adapters.
        checkpoint: one of them.
        kept: checkpoints that are there at once, an old one until the next is written.
    """

    model: int
    checkpoint: int
    kept: int

    @property
    def least(self) -> int:
        """The model and, where the run writes any, one checkpoint."""
        return self.model + (self.checkpoint if self.kept else 0)

    @property
    def whole(self) -> int:
        """Everything."""
        return self.model + self.kept * self.checkpoint


def written(config: RunConfig, shape: Shape, steps: int | None) -> Written:
    """Returns what a run writes.

    Args:
        config: the run.
        shape: of its model.
        steps: optimiser steps; None where they are not known, for one checkpoint.
    """
    model = FP32 * shape.trainable
    every = config.output.save_every_steps
    kept = 0 if every is None else 1 if steps is None else min(-(-steps // every), KEPT + 1)
    return Written(model, 3 * model, kept)


def output_problems(output: Output) -> Iterator[Problem]:
    """Yields why nothing can be written where a run is to write."""
    directory = output.dir
    place = existing(directory)
    if not place.is_dir():
        yield Problem("output.dir", f"{directory}: {place} is a file, not a directory")
    elif not os.access(place, os.W_OK | os.X_OK):
        yield Problem(
            "output.dir",
            f"{directory}: {place} cannot be written to",
            hint="choose another directory: --set output.dir=DIR",
        )


def input_problems(config: RunConfig) -> Iterator[Problem]:
    """Yields the inputs of a run that it would write over."""
    try:
        refuse_to_overwrite_inputs(config)
    except PrefError as error:
        yield Problem("output.dir", error.message, error.hint)


def space_problems(output: Output, needed: Written) -> Iterator[Problem]:
    """Yields that not even one checkpoint and the model find room."""
    free = free_space(output.dir)
    if needed.least > free:
        what = "one checkpoint and the trained model" if needed.kept else "the trained model"
        yield Problem(
            "output.dir",
            f"{output.dir}: {what} need {bytes_text(needed.least)}, {bytes_text(free)} are free",
            hint="make room, or choose another directory: --set output.dir=DIR",
        )


def space_remark(output: Output, needed: Written) -> str | None:
    """Returns that the disk fills before the run has ended; None if it does not."""
    free = free_space(output.dir)
    if needed.whole <= free:
        return None
    return (
        f"warning: up to {needed.kept} checkpoints of {bytes_text(needed.checkpoint)} and the trained model "
        f"need {bytes_text(needed.whole)} in {output.dir}, {bytes_text(free)} are free; "
        "make room"
    )


def free_space(directory: Path) -> int:
    """Returns the bytes that are free where `directory` is, or is going to be."""
    return shutil.disk_usage(existing(directory)).free


def existing(path: Path) -> Path:
    """Returns the closest ancestor that exists, or the path itself."""
    return next(place for place in (path, *path.absolute().parents) if place.exists())
