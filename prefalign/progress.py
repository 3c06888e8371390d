"""What a training run says while it runs: a bar on a terminal, a line per event elsewhere.

A worker started by `prefalign train` tells its parent, one JSON object a line on standard output; a
worker started by somebody else's launcher speaks for itself.
"""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from prefalign.units import duration

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID


class Reporter(Protocol):
    """Somebody to tell about progress."""

    def begin(self, phase: str, total: int, unit: str, done: int = 0) -> None:
        """A phase of `total` units starts, some of them done before; the one before is over."""

    def advance(self, count: int, note: str = "") -> None:
        """`count` more units are done; `note` says how it goes."""

    def say(self, text: str) -> None:
        """One line that stays."""

    def close(self) -> None:
        """Nothing more will come."""


class Phase:
    """A phase that begins when its first units are done, so that cached work is never announced."""

    def __init__(self, reporter: Reporter, name: str, total: int, unit: str) -> None:
        self.reporter = reporter
        self.about = (name, total, unit)
        self.begun = False

    def __call__(self, count: int) -> None:
        """Reports `count` more units."""
        if not self.begun:
            self.reporter.begin(*self.about)
            self.begun = True
        self.reporter.advance(count)


class Silence:
    """The reporter of all ranks but the first."""

    def begin(self, phase: str, total: int, unit: str, done: int = 0) -> None:
        """Says nothing."""

    def advance(self, count: int, note: str = "") -> None:
        """Says nothing."""

    def say(self, text: str) -> None:
        """Says nothing."""

    def close(self) -> None:
        """Says nothing."""


class Pipe:
    """Tells a parent process that reads events with `relay`."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def begin(self, phase: str, total: int, unit: str, done: int = 0) -> None:
        """Sends the event."""
        self._send("begin", phase, total, unit, done)

    def advance(self, count: int, note: str = "") -> None:
        """Sends the event."""
        self._send("advance", count, note)

    def say(self, text: str) -> None:
        """Sends the event."""
        self._send("say", text)

    def close(self) -> None:
        """Does nothing: the parent sees the end of the stream."""

    def _send(self, *event: Any) -> None:
        self.stream.write(json.dumps(event) + "\n")
        self.stream.flush()


class Console:
    """Draws on standard error: bars on a terminal, plain lines elsewhere."""

    def __init__(self) -> None:
        self.bars = _bars() if sys.stderr.isatty() else None
        self.task: TaskID | None = None
        self.phase, self.done, self.total, self.unit = "", 0, 0, ""
        self.done_before, self.begun = 0, 0.0

    def begin(self, phase: str, total: int, unit: str, done: int = 0) -> None:
        """Starts a new bar, or says what starts."""
        self.phase, self.done, self.total, self.unit = phase, done, total, unit
        self.done_before, self.begun = done, time.monotonic()
        if self.bars is None:
            _write(f"{phase}: {total:,} {unit}")
            return
        if self.task is None:
            self.bars.start()
        self.task = self.bars.add_task(phase, total=total, completed=done, note="")

    def advance(self, count: int, note: str = "") -> None:
        """Moves the bar; elsewhere prints the note, if there is one."""
        self.done += count
        if self.bars is not None and self.task is not None:
            self.bars.advance(self.task, count)
            if note:
                self.bars.update(self.task, note=note)
        elif note:
            _write(f"{self.phase} {self.done:,}/{self.total:,} {self.unit}  {note}{self._left()}")

    def _left(self) -> str:
        """Returns how long the rest of the phase will take, if it goes on like this."""
        if self.done >= self.total:
            return ""
        a_unit = (time.monotonic() - self.begun) / max(self.done - self.done_before, 1)
        return f"  {duration(a_unit * (self.total - self.done))} left"

    def say(self, text: str) -> None:
        """Prints the line, above the bars."""
        if self.bars is not None and self.task is not None:
            self.bars.console.print(text, markup=False, highlight=False)
        else:
            _write(text)

    def close(self) -> None:
        """Gives the terminal back."""
        if self.bars is not None and self.task is not None:
            self.bars.stop()


def relay(events: TextIO, reporter: Reporter) -> None:
    """Passes on what a worker sends through `Pipe`, until the stream ends; skips foreign lines."""
    for line in events:
        try:
            method, *arguments = json.loads(line)
        except (ValueError, TypeError):
            continue
        if method in ("begin", "advance", "say"):
            getattr(reporter, method)(*arguments)
    reporter.close()


def _write(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def _bars() -> Bars:
    """Returns bars whose note gets what room there is: the rest is whole in 80 columns, too."""
    from rich.console import Console as Terminal
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.table import Column

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=16),
        MofNCompleteColumn(table_column=Column(no_wrap=True)),
        TimeElapsedColumn(table_column=Column(no_wrap=True)),
        TimeRemainingColumn(table_column=Column(no_wrap=True)),
        TextColumn(
            "{task.fields[note]}",
            table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis"),
        ),
        console=Terminal(stderr=True),
        expand=True,
    )
