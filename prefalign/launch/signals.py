"""Signals on their way from the command line to the workers, past the launcher."""

from __future__ import annotations

import signal
import time
from contextlib import suppress
from types import FrameType
from typing import Any, Self

from prefalign.survival.stopping import ECHO, SIGNALS


class PassedOn:
    """Passes Ctrl-C and SIGTERM on to the workers, which save and stop; a second one kills them.

    They are in a session of their own, so a signal reaches them from here. The launcher hears of none as
    long as it has workers: it would leave them, or give them no time to save.

    Attributes:
        received: the signals so far.
    """

    def __init__(self) -> None:
        self.received: list[int] = []
        self._first = 0.0
        self._launcher: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._hear) for number in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def to(self, launcher: int) -> None:
        """Says which process is above the workers, and passes on what came before it was there."""
        self._launcher = launcher
        if self.received:
            _send(launcher, self.received[0])

    def _hear(self, number: int, _frame: FrameType | None) -> None:
        if self.received and time.monotonic() - self._first < ECHO:
            return
        self._first = self._first or time.monotonic()
        self.received.append(number)
        if self._launcher is not None:
            _send(self._launcher, number if len(self.received) == 1 else signal.SIGKILL)


def _send(launcher: int, number: int) -> None:
    """Sends a signal to the workers under a launcher; to the launcher where there are none, or to kill."""
    import psutil

    with suppress(psutil.Error):
        above = psutil.Process(launcher)
        workers = above.children(recursive=number == signal.SIGKILL)
        for worker in workers:
            with suppress(psutil.Error):
                worker.send_signal(number)
        if not workers or number == signal.SIGKILL:
            above.send_signal(number)
