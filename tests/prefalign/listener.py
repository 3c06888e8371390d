"""Hears what a run in this process says, and sends it a signal at a step of its own choice."""

import os

from prefalign.progress import Silence


class Listener(Silence):
    """Remembers what was said.

    Args:
        number: a signal that is sent when `steps` steps are done; None for none.
        steps: counted over the phase that is reported.
    """

    def __init__(self, number: int | None = None, steps: int = 0) -> None:
        self.lines: list[str] = []
        self.number = number
        self.left = steps

    def say(self, text: str) -> None:
        """Keeps it."""
        self.lines.append(text)

    def advance(self, count: int, note: str = "") -> None:
        """Sends the signal in time; only steps come with a note."""
        if not note:
            return
        self.left -= count
        if self.number is not None and self.left == 0:
            os.kill(os.getpid(), self.number)
