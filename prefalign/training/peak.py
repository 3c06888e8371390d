"""The most memory that this process has held, on any system that Python's `resource` knows."""

from __future__ import annotations

import re
import resource
import sys
from pathlib import Path


def peak_resident() -> int:
    """Returns the largest resident set of this process so far, bytes.

    Linux's `ru_maxrss` survives exec: a process that a larger one started begins with the peak of its
    parent. `VmHWM` belongs to the memory itself (man 5 proc_pid_status).
    """
    status = Path("/proc/self/status")
    if status.exists() and (line := re.search(r"VmHWM:\s+(\d+) kB", status.read_text())):
        return int(line[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
