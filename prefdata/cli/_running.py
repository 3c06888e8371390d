"""Progress of `check` on stderr, on a terminal only."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.progress import Progress
from rich.spinner import Spinner
from rich.text import Text

_QUIET_SECONDS = 2.0


@contextmanager
def rendering_progress(pairs: int) -> Iterator[Callable[[int], None]]:
    """Yields a callback for pairs done that draws a bar."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("tokens", total=pairs)
        yield lambda done: bar.update(task, advance=done)


@contextmanager
def rule_progress() -> Iterator[Callable[[str], None]]:
    """Yields a callback for the rule in work; its name is shown once it takes a while."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _: None
        return
    name, since = "", time.monotonic()
    spinner = Spinner("dots")

    def begin(rule: str) -> None:
        nonlocal name, since
        name, since = rule, time.monotonic()

    def shown() -> Text | Spinner:
        seconds = time.monotonic() - since
        if not name or seconds < _QUIET_SECONDS:
            return Text("")
        spinner.update(text=f"checking {name}, {seconds:.0f} s")
        return spinner

    with Live(get_renderable=shown, console=console, transient=True, refresh_per_second=5):
        yield begin
