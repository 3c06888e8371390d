"""Signals: a run that is told to stop saves what it has and ends, whichever of its processes was told.

Until training begins there is nothing to save, and a signal ends the process by an exception wherever it
is. From then on it is remembered until all processes agree that they stop, which they ask each other
after every step, after every forward pass of an evaluation and after every checkpoint.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)

ECHO = 3.0
"""Seconds in which more signals mean the same one: a cluster tells every process of a job, and those tell
each other. What comes later was meant as a second one, and kills."""


class Stopped(BaseException):
    """A signal came while there was nothing to save.

    No `Exception`, so that no library takes it for a failure of its own and goes on.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.number = number


class EvaluationStopped(Exception):
    """All processes agreed to stop in the middle of an evaluation."""


class Stop:
    """What this process, and after `agreed` any process of the run, was told.

    Attributes:
        received: the signal, or 0.
    """

    def __init__(self) -> None:
        self.received = 0
        self._first = 0.0  # when this process was told
        self._held = False
        self._heard = False
        self._group: Any = None

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Takes over the signals and gives them back; other threads than the main one have none."""
        if self._heard or threading.current_thread() is not threading.main_thread():
            yield
            return
        self._heard, self.received, self._first = True, 0, 0.0
        before = {number: signal.signal(number, self._hear) for number in SIGNALS}
        try:
            yield
        finally:
            self._heard = False
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Remembers signals instead of raising.

        Raises:
            Stopped: one came before, and a library kept the exception to itself.
        """
        self._held = True
        try:
            if self.received:
                raise Stopped(self.received)
            yield
        finally:
            self._held = False

    def agreed(self) -> bool:
        """Returns whether any process was told to stop; all processes call this together.

        They ask over a connection of their CPUs, so that no accelerator has to come to a rest for it.
        """
        import torch
        from torch import distributed

        if not distributed.is_initialized() or distributed.get_world_size() == 1:
            return bool(self.received)
        if self._group is None:
            self._group = distributed.new_group(backend="gloo")
        told = torch.tensor([self.received])
        distributed.all_reduce(told, distributed.ReduceOp.MAX, group=self._group)
        if not told:
            return False  # a signal that came while this process waited is told the next time
        self.received = int(told)
        return True

    def _hear(self, number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._first and now - self._first > ECHO:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        if self._first:
            return
        self._first, self.received = now, number
        if not self._held:
            raise Stopped(number)


STOP = Stop()
"""Of this process: signals have no other owner."""
