"""How many optimiser steps a run takes."""

from __future__ import annotations

from math import ceil

from prefalign.config import RunConfig


def steps_per_epoch(config: RunConfig, pairs: int) -> int:
    """Returns the optimiser steps of an epoch; its last one may be smaller."""
    return -(-pairs // min(config.batch.global_batch_size, pairs))


def steps_in_all(config: RunConfig, pairs: int) -> int:
    """Returns the optimiser steps of the run."""
    if config.optim.max_steps is not None:
        return config.optim.max_steps
    return ceil(config.optim.epochs * steps_per_epoch(config, pairs))
