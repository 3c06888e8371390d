"""Blocks to worker processes and back, in order."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from importlib.abc import MetaPathFinder
from multiprocessing import forkserver
from multiprocessing.connection import wait
from multiprocessing.context import BaseContext
from pathlib import Path
from signal import SIG_IGN, SIGINT, signal
from typing import TypeVar

from prefdata.errors import PrefError

T = TypeVar("T")

_SMALL = 32 << 20  # bytes of input for which starting processes costs more than it saves
_AHEAD = 2  # blocks that wait for each worker: one in work and one in hand


def cores() -> int:
    """Returns how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processes_for(paths: Sequence[Path | None]) -> int:
    """Returns how many processes are worth their start for the files at `paths`."""
    size = sum(path.stat().st_size for path in paths if path and path.exists())
    return 1 if size < _SMALL else cores()


def warm_up() -> None:
    """Lets a process import what workers need, beside whatever this one does until it has work."""
    _context()
    forkserver.ensure_running()


def run(jobs: Iterator[Callable[[], T]], processes: int) -> Iterator[T]:
    """Yields the results of jobs in the order of the jobs.

    Args:
        jobs: picklable, if they are to leave this process; taken a few ahead of their results.
        processes: that share them; with 1 they are run here.

    Raises:
        PrefError: a process died.
    """
    if processes == 1:
        yield from (job() for job in jobs)
        return
    with ProcessPoolExecutor(processes, mp_context=_context(), initializer=_start) as pool:
        try:
            yield from _in_order(pool, jobs, processes * _AHEAD)
        except BrokenProcessPool as error:
            raise PrefError(
                "a worker process died, perhaps for want of memory",
                hint="run the command again with --resume, and --workers 1 if it dies again;"
                ' a script must convert under `if __name__ == "__main__":`',
            ) from error
        finally:
            # waits: at its exit Python 3.11 wakes a pool that is still closing, and fails with a traceback
            pool.shutdown(cancel_futures=True)


def _context() -> BaseContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["prefdata.converting.preload"])
    return context


def _in_order(
    pool: ProcessPoolExecutor, jobs: Iterator[Callable[[], T]], ahead: int
) -> Iterator[T]:
    waiting: deque[Future[T]] = deque()
    for job in jobs:
        waiting.append(pool.submit(job))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


class _WithoutPandas(MetaPathFinder):
    """Hides pandas, which Arrow imports at its first array: 50 MB and 0.2 s that nothing here uses."""

    def find_spec(self, fullname: str, *_: object) -> None:
        """Refuses pandas, and leaves all else to the other finders."""
        if fullname == "pandas":
            raise ModuleNotFoundError(name=fullname)


def _start() -> None:
    signal(SIGINT, SIG_IGN)  # the main process says when to stop
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.meta_path.insert(0, _WithoutPandas())
    import pyarrow as pa

    # Arrow's own pools give memory back and fetch it again for every block
    pa.set_memory_pool(pa.system_memory_pool())


def _end_with_parent() -> None:
    """Ends this process when the main one dies: it would wait for its next block for ever.

    No end of file tells it, for all workers hold both ends of the pipe that blocks come through.
    """
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)
