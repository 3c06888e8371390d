"""The processes of a run agree that they are one run, before any of them trains.

Launchers on several machines start them, each with a run file and an output directory of its own. The first
process settles what is to be done and says so; the others compare it with what they see. What any of them
objects to ends all, with one message.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from prefalign.config import RunConfig
from prefalign.errors import LostProcess
from prefalign.survival.outcome import failure_told, told
from prefalign.survival.started import read_started
from prefdata.errors import PrefError

if TYPE_CHECKING:
    from torch.distributed.distributed_c10d import Store

_CONNECT = 120.0  # seconds
_CONNECT_TRY = timedelta(seconds=2)
"""No signal is heard while a connection is tried, so a launcher that is gone must not be waited for longer."""
_LOOK = 0.05  # seconds
_PATIENCE = 600.0
"""Seconds that the others may take to start, once the first process is ready."""
_SHARED = 10.0  # seconds until a file that one machine has written is seen on another
_FAREWELL = 5.0  # seconds that the first process waits until the others know why it ends

_LOCAL = frozenset(["data.train", "data.test", "model.name", "model.chat_template", "output.dir"])
"""Settings that may name different places on different machines."""


def several_machines() -> bool:
    """Returns whether launchers on several machines have started this process and others."""
    return int(os.environ.get("GROUP_WORLD_SIZE", "1")) > 1


class Agreement:
    """What this process and the others of its run say to each other, over the store of their launcher.

    Args:
        rank: of this process.
        processes: of the run; a single one has nobody to talk to.
    """

    def __init__(self, rank: int, processes: int) -> None:
        self.rank, self.processes = rank, processes
        self._reached = processes == 1

    @cached_property
    def _store(self) -> Store:
        """The store, with a place of its own for each attempt of a launcher that tries again."""
        from torch.distributed.distributed_c10d import PrefixStore

        attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
        return PrefixStore(f"prefalign/{attempt}", _connect())

    def lead(self, config: RunConfig, *, wanted: bool) -> None:
        """Says in the first process what is to be done, and waits until nobody objects.

        Args:
            config: the run file.
            wanted: there is anything to train.

        Raises:
            PrefError: another process objects.
        """
        if self._reached:
            return
        opening: dict[str, Any] = {"wanted": wanted, "host": socket.gethostname()}
        if wanted:
            opening["config"] = config.model_dump(mode="json")
            opening["started"] = read_started(config.output.dir)[0].model_dump(mode="json")
        self._say("opening", opening)
        for rank in range(1, self.processes):
            self._hear(f"answer {rank}", patience=_PATIENCE)
        self._say("verdict", {})
        self._reached = True

    def follow(self, config: RunConfig) -> bool:
        """Waits in another process until all agree; returns whether there is anything to train.

        Raises:
            PrefError: the first process is about another run, writes elsewhere, or has ended.
        """
        opening = self._hear("opening")
        if opening["wanted"]:
            _refuse_another_file(config, opening)
            _refuse_another_directory(config, opening)
        self._say(f"answer {self.rank}", {})
        self._hear("verdict")
        self._reached = True
        return bool(opening["wanted"])

    def object(self, failure: PrefError) -> None:
        """Tells the others why this process ends, unless they had agreed before."""
        if self._reached or isinstance(failure, LostProcess):
            return
        self._reached = True
        if self.rank > 0:
            who = f"process {self.rank} on {socket.gethostname()}"
            self._say(f"answer {self.rank}", {"failure": told(failure), "who": who})
            return
        self._say("verdict", {"failure": told(failure)})
        if several_machines():  # on this one the launcher ends them
            self._take_leave()

    def _take_leave(self) -> None:
        """Waits until the others have heard of it: the store ends with this machine's launcher."""
        end = time.monotonic() + _FAREWELL
        answers = [f"answer {rank}" for rank in range(1, self.processes)]
        while not self._store.check(answers) and time.monotonic() < end:
            time.sleep(_LOOK)

    def _say(self, key: str, what: dict[str, Any]) -> None:
        self._store.set(key, json.dumps(what))

    def _hear(self, key: str, *, patience: float | None = None) -> dict[str, Any]:
        """Returns what was said; looks again and again, so that signals are heard meanwhile.

        Raises:
            PrefError: a failure was told, or nothing.
        """
        end = None if patience is None else time.monotonic() + patience
        while (said := self._said(key)) is None:
            if end is not None and time.monotonic() > end:
                raise LostProcess(
                    f"no {key} of {self.processes - 1} came within {patience:,.0f} s",
                    hint="look at what the launchers of the other machines say",
                )
            time.sleep(_LOOK)
        if "failure" in said:
            self._acknowledge()
            raise failure_told(said["failure"], who=said.get("who"))
        return said

    def _said(self, key: str) -> dict[str, Any] | None:
        """Returns what was said under a key, or the verdict where that came first; None for neither."""
        from torch import distributed

        try:
            for name in dict.fromkeys([key, "verdict"]):
                if self._store.check([name]):
                    said: dict[str, Any] = json.loads(self._store.get(name))
                    return said
        except distributed.DistError as error:
            raise LostProcess("the first process of the run has ended") from error
        return None

    def _acknowledge(self) -> None:
        if self.rank > 0:
            self._say(f"answer {self.rank}", {})


def _connect() -> Store:
    """Returns the store of the launcher.

    Raises:
        LostProcess: it cannot be reached.
    """
    from torch import distributed
    from torch.distributed.rendezvous import rendezvous

    end = time.monotonic() + _CONNECT
    while True:
        try:
            store: Store = next(iter(rendezvous("env://", timeout=_CONNECT_TRY)))[0]
        except distributed.DistError as error:
            if time.monotonic() > end:
                raise LostProcess(
                    f"the first process of the run cannot be reached: {error}"
                ) from error
        else:
            store.set_timeout(timedelta(seconds=_CONNECT))
            return store


def _refuse_another_file(config: RunConfig, opening: dict[str, Any]) -> None:
    first, here = (dict(_leaves(v)) for v in (opening["config"], config.model_dump(mode="json")))
    others = [
        f"{key}: {here.get(key, 'not set')}, and {first.get(key, 'not set')} in the first process"
        for key in sorted(here.keys() | first.keys())
        if key not in _LOCAL and here.get(key) != first.get(key)
    ]
    if others:
        raise PrefError(
            f"its run file is not that of the first process, on {opening['host']}\n  "
            + "\n  ".join(others),
            hint="start all machines with the same run file and the same --set options",
        )


def _leaves(values: dict[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{above}{name}.")
        else:
            yield above + name, value


def _refuse_another_directory(config: RunConfig, opening: dict[str, Any]) -> None:
    """Refuses a directory in which the file that the first process has just left is not seen."""
    end = time.monotonic() + _SHARED
    while not any(
        process.model_dump(mode="json") == opening["started"]
        for process in read_started(config.output.dir)
    ):
        if time.monotonic() > end:
            raise PrefError(
                f"output.dir: {config.output.dir} is not the directory that the first process, on "
                f"{opening['host']}, writes to",
                hint="name a directory on a file system that all machines share",
            )
        time.sleep(_LOOK)
