"""Experiment trackers of transformers in our runs: a broken one ends no training, and all hear the end.

transformers lets any failure of a tracker through, and tells trackers that training has ended before our last
evaluation, for which trackio then opens another run.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK

from prefalign.progress import Reporter
from prefdata.errors import PrefError

_log = logging.getLogger("prefalign")

_HINTS = {"wandb": "wandb login; or without an account WANDB_MODE=offline, and wandb sync later"}


class Tracker:
    """A callback of transformers that is told everything but the end of training, which `close` tells.

    Args:
        name: of the tracker, as in `output.report_to`.
        callback: of transformers.
        reporter: hears of a failure, after which the tracker hears nothing more.
    """

    def __init__(self, name: str, callback: Any, reporter: Reporter) -> None:
        self.name = name
        self.callback = callback
        self.reporter = reporter
        self._failed = False
        self._end: Callable[[], Any] | None = None

    def __getattr__(self, event: str) -> Any:
        """Returns what passes on an event of transformers' loop."""
        if not event.startswith("on_"):
            raise AttributeError(event)
        return partial(self._pass_on, event)

    def on_train_begin(self, *arguments: Any, **options: Any) -> None:
        """Starts the tracker.

        Raises:
            PrefError: it does not start.
        """
        try:
            self.callback.on_train_begin(*arguments, **options)
        # trackers raise types of their own, and none of them is ours to judge
        except Exception as error:
            raise PrefError(
                f"output.report_to: {self.name} does not start: {_first_line(error)}",
                hint=_HINTS.get(self.name, "set it up, or leave it out of output.report_to"),
            ) from error

    def on_train_end(self, *arguments: Any, **options: Any) -> None:
        """Keeps the end to itself: there may be an evaluation to come."""
        self._end = partial(self._pass_on, "on_train_end", *arguments, **options)

    def close(self) -> None:
        """Tells the tracker that training has ended, if it has."""
        if self._end is not None:
            self._end()

    def _pass_on(self, event: str, *arguments: Any, **options: Any) -> None:
        if self._failed:
            return
        try:
            getattr(self.callback, event)(*arguments, **options)
        except Exception as error:  # noqa: BLE001 as above; training goes on
            self._failed = True
            _log.warning("%s failed", self.name, exc_info=error)
            self.reporter.say(
                f"warning: {self.name} failed and is told nothing more ({_first_line(error)}); "
                "training goes on, and metrics.jsonl has everything"
            )


def tracked(callbacks: list[Any], reporter: Reporter) -> Iterator[Any]:
    """Yields callbacks of a trainer, with a `Tracker` around each that is one."""
    names = {kind: name for name, kind in INTEGRATION_TO_CALLBACK.items()}
    for callback in callbacks:
        name = names.get(type(callback))
        yield callback if name is None else Tracker(name, callback, reporter)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
