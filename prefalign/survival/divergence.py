"""When a loss says that training has gone wrong for good.

A loss or a gradient that is no number needs no rule. For one that is far too high there is this: ten log
lines in a row, each above five times the lowest of the run's first five, and above five nats where that
was below one. Losses of single batches jump, and late in a run a median of theirs means little: it is next
to nothing, and a batch with one pair that is still wrong costs a thousand times as much. But no run learns
anything while ten batches in a row cost several times what they cost the untouched model.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, takewhile
from typing import Any

FACTOR = 5.0
PATIENCE = 10
"""Log lines."""

_BEGINNING = 5  # log lines that say where a run began
_LEAST = 1.0  # nats


def too_high_since(history: Sequence[dict[str, Any]]) -> tuple[int, int] | None:
    """Returns the step at which losses rose far above where they began, and the log lines since then.

    Args:
        history: entries of `TrainerState.log_history`, in the order of steps.

    Returns:
        None where the last loss is none of those.
    """
    began = [abs(entry["loss"]) for entry in islice(_with_loss(history), _BEGINNING)]
    if not began:
        return None
    limit = FACTOR * max(min(began), _LEAST)
    high = list(takewhile(lambda entry: entry["loss"] > limit, _with_loss(reversed(history))))
    return (int(high[-1]["step"]), len(high)) if high else None


def _with_loss(history: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    return (entry for entry in history if "loss" in entry)
