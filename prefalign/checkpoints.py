"""Checkpoints of a run: which of them is whole, and the newest."""

from __future__ import annotations

from pathlib import Path


def newest_checkpoint(directory: Path) -> Path | None:
    """Returns the newest complete checkpoint of a run; its state file is written last."""
    found = {
        step_of(state.parent): state.parent
        for state in directory.glob("checkpoint-*/trainer_state.json")
    }
    return found[max(found)] if found else None


def step_of(checkpoint: Path) -> int:
    """Returns the optimiser step after which a checkpoint was written."""
    return int(checkpoint.name.rpartition("-")[2])
