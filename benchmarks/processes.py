"""Runs a command as a process of its own and measures it with all its children, on Linux."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import tempfile
import time
from resource import RUSAGE_CHILDREN, getrusage
from threading import Event, Thread
from typing import NamedTuple

import psutil

_EVERY_S = 0.1
_SHARE = 0.03  # of a core: the kernel walks all pages of a process, 10 ms or more for each gigabyte
_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


class Measured(NamedTuple):
    """What one run cost.

    `cpu_s` is user and system time of all its processes, those that outlive it for a moment too. `peak_mb`
    is the highest sum over the process tree of the proportional set size (PSS, /proc/PID/smaps_rollup), read
    up to ten times a second: a page that several processes share counts once, and pages of a
    memory-mapped file count as long as they are mapped in.
    """

    wall_s: float
    cpu_s: float
    peak_mb: float


def measure(command: list[str]) -> Measured:
    """Runs a command to its end; a failure ends the benchmark with the last of its output.

    It waits for every process that the command leaves behind; children the caller had before are not its own.
    """
    _adopt_orphans()
    others = _children()
    with tempfile.TemporaryFile() as log:
        before = _children_cpu_s()
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=log, stderr=log)
        with _Peak(process.pid) as peak:
            status = process.wait()
            wall = time.perf_counter() - started
        if status:
            log.seek(0)
            sys.exit(f"{' '.join(command)}: failed\n{log.read()[-2000:].decode(errors='replace')}")
    while orphans := _children() - others:
        os.waitpid(orphans.pop(), 0)
    return Measured(wall, _children_cpu_s() - before, peak.mb)


def _adopt_orphans() -> None:
    """Has the kernel hand us processes whose parent ends first, else nobody counts their CPU time.

    Python's fork server, and with it the workers it made, ends just after the process that started it.
    """
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _children() -> set[int]:
    return {child.pid for child in psutil.Process().children()}


def _children_cpu_s() -> float:
    usage = getrusage(RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class _Peak:
    """Watches the memory of a process and of its children while the `with` block runs."""

    def __init__(self, pid: int) -> None:
        self.mb = 0.0
        self._pid = pid
        self._ended = Event()
        self._thread = Thread(target=self._watch)

    def __enter__(self) -> _Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        pause = _EVERY_S
        while not self._ended.wait(pause):
            started = time.thread_time()
            self.mb = max(self.mb, sum(map(_pss, _tree(self._pid))) / 1e6)
            pause = max(_EVERY_S, (time.thread_time() - started) / _SHARE)


def _tree(pid: int) -> list[psutil.Process]:
    try:
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _pss(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0
