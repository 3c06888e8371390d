"""Ctrl-C and SIGTERM end training after the step at hand, with a checkpoint."""

from __future__ import annotations

import signal
from typing import Any

import torch
from transformers import TrainerCallback

_MAX = torch.distributed.ReduceOp.MAX
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopOnSignal(TrainerCallback):  # type: ignore[misc]
    """Remembers a signal until the step is over, then has all processes save and stop together.

    Attributes:
        received: the signal, or 0.
    """

    def __init__(self) -> None:
        self.received = 0
        self._before: dict[int, Any] = {}

    def on_train_begin(self, *_: Any, **_options: Any) -> None:
        """Takes over the signals."""
        self._before = {number: signal.signal(number, self._remember) for number in _SIGNALS}

    def on_step_end(self, args: Any, _state: Any, control: Any, **_options: Any) -> None:
        """Stops if any process was told to: a signal rarely reaches all of them in the same step."""
        if args.world_size > 1:
            flag = torch.tensor(self.received, device=args.device)
            torch.distributed.all_reduce(flag, _MAX)
            self.received = int(flag)
        if self.received:
            control.should_save = True
            control.should_training_stop = True

    def on_train_end(self, *_: Any, **_options: Any) -> None:
        """Gives the signals back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _remember(self, number: int, _frame: Any) -> None:
        self.received = number
