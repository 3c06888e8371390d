"""A process of a run ends when those that started it are gone, also where nobody could tell it to."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING

from prefalign.survival.stopping import STOP

if TYPE_CHECKING:
    import psutil

PARENT = "PREFALIGN_PARENT"
"""Set by the parent for its workers: its process number."""

_LOOK = 0.5  # seconds
_PATIENCE = 600.0
"""Seconds for a checkpoint; a process that waits for others which are gone would wait for ever."""


def end_with_parents() -> None:
    """Starts to watch the launcher above this process, and the parent that started it, if one did.

    When either is gone, this process is told to stop as by SIGTERM, which saves a checkpoint.
    """
    watch = threading.Thread(
        target=_watch, args=(os.getppid(), os.environ.get(PARENT)), daemon=True
    )
    watch.start()


def _watch(launcher: int, parent: str | None) -> None:
    import psutil

    try:
        supervisor = psutil.Process(int(parent)) if parent else None
        while os.getppid() == launcher and (supervisor is None or _lives(supervisor)):
            time.sleep(_LOOK)
    except psutil.Error:
        pass  # gone already
    if not STOP.received:  # a second signal would kill
        os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_PATIENCE)
    os.kill(os.getpid(), signal.SIGKILL)


def _lives(process: psutil.Process) -> bool:
    return bool(process.is_running() and process.status() != "zombie")
