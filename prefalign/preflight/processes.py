"""How many processes were asked for, and how many there are.

`accelerate launch --cpu --num_processes 2` starts one process and says nothing. A run that was meant
for two would then train with half of its batch, so it does not start.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import yaml

from prefalign.config import Hardware, RunConfig
from prefalign.launch import shell_line
from prefdata.errors import PrefError


def refuse_missing_processes(config: RunConfig, run_file: str) -> None:
    """Compares the processes of this run with the run file and with the launcher's own arguments.

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
            return asked_in(line)
    return None


def asked_in(line: Sequence[str]) -> int | None:
    """Returns the number of processes that a launcher's command line or its config file asks for."""
    options = dict(_options(line))
    asked = options.get("--num_processes") or options.get("--num-processes")
    file = options.get("--config_file") or options.get("--config-file")
    if file is None and "--cpu" not in line:
        file = _default_config()
    if asked is None and file is not None:
        asked = yaml.safe_load(Path(file).read_text()).get("num_processes")
    return None if asked is None else int(asked)


def _default_config() -> str | None:
    """Returns what `accelerate config` has written: its launcher reads it where no other is named."""
    from huggingface_hub.constants import HF_HOME

    file = Path(HF_HOME) / "accelerate" / "default_config.yaml"
    return str(file) if file.is_file() else None


def _options(line: Sequence[str]) -> list[tuple[str, str]]:
    """Returns options with their values, written `--name value` or `--name=value`."""
    pairs = [item.partition("=")[::2] for item in line if item.startswith("--") and "=" in item]
    spaced = [pair for pair in pairwise(line) if pair[0].startswith("--")]
    return [*spaced, *pairs]
