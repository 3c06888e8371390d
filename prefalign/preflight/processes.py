"""How many processes were asked for, and how many there are.

`accelerate launch --cpu --num_processes 2` starts one process and says nothing. A run that was meant
for two would then train with half of its batch, so it does not start.
"""

from __future__ import annotations

import os

from prefalign.config import Hardware, RunConfig
from prefalign.launch.line import shell_line
from prefalign.launchers.options import asked_in
from prefdata.errors import PrefError


def refuse_missing_processes(config: RunConfig, run_file: str) -> None:
    """Compares the processes of this run with the run file and with the launcher's own arguments.

    Args:
        config: the run.
        run_file: as a person types it, with the settings that win over it.

    Raises:
        PrefError: the numbers differ; the hint is a line that works.
    """
    started = int(os.environ.get("WORLD_SIZE", "1"))
    asked = config.hardware.num_processes or asked_of_launcher()
    if asked is None or asked == started:
        return
    hardware = Hardware(**config.hardware.model_dump() | {"num_processes": asked})
    line = shell_line(config.model_copy(update={"hardware": hardware}), run_file)
    raise PrefError(f"{asked} processes were asked for, {started} started", hint=line)


def asked_of_launcher() -> int | None:
    """Returns the `--num_processes` of the `accelerate launch` above this process, or None."""
    import psutil

    for parent in psutil.Process().parents():
        try:
            line = parent.cmdline()
        except psutil.Error:
            continue
        if any("accelerate" in part for part in line[:4]):
            return asked_in(line).processes
    return None
