"""What a line of `accelerate launch` asks for: by its own options, else by those of its config file."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import yaml

_DIVIDING = ("FSDP", "DEEPSPEED")
_FLAGS = ("--use_fsdp", "--use-fsdp", "--use_deepspeed", "--use-deepspeed")


class Asked(NamedTuple):
    """Processes and machines of a launch.

    Attributes:
        processes: of all machines; None where nothing says so.
        machines: that launch together.
        machine: which of them this is, from 0.
        address: of machine 0, as the others see it; None where nothing says so.
        divides: the model is divided among the processes.
    """

    processes: int | None
    machines: int
    machine: int
    address: str | None
    divides: bool


def asked_in(line: Sequence[str]) -> Asked:
    """Returns what a launcher's arguments ask for, options of the script not among them.

    Args:
        line: `--num_processes 2`, `--num_processes=2`, or with dashes.
    """
    options = dict(_options(line))
    file = options.get("config_file")
    if file is None and "--cpu" not in line:
        file = _default_config()
    written = yaml.safe_load(Path(file).read_text()) if file is not None else None
    said: dict[str, Any] = {**(written or {}), **options}
    processes = said.get("num_processes")
    return Asked(
        processes=None if processes is None else int(processes),
        machines=int(said.get("num_machines") or 1),
        machine=int(said.get("machine_rank") or 0),
        address=said.get("main_process_ip"),
        divides=said.get("distributed_type") in _DIVIDING or any(name in line for name in _FLAGS),
    )


def without(line: Sequence[str], *names: str) -> list[str]:
    """Returns a launcher's arguments without some options and their values.

    Args:
        line: the arguments.
        names: of options, as in `machine_rank`.
    """
    kept: list[str] = []
    value_of_one = False
    for item in line:
        name, equals, _ = item.partition("=")
        is_one = item.startswith("--") and _plain(name) in names
        if not is_one and not value_of_one:
            kept.append(item)
        value_of_one = is_one and not equals
    return kept


def _default_config() -> str | None:
    """Returns what `accelerate config` has written: its launcher reads it where no other is named."""
    from huggingface_hub.constants import HF_HOME

    file = Path(HF_HOME) / "accelerate" / "default_config.yaml"
    return str(file) if file.is_file() else None


def _options(line: Sequence[str]) -> list[tuple[str, str]]:
    """Returns options with their values, written `--name value` or `--name=value`."""
    pairs = [item.partition("=")[::2] for item in line if item.startswith("--") and "=" in item]
    spaced = [pair for pair in pairwise(line) if pair[0].startswith("--")]
    return [(_plain(name), value) for name, value in (*spaced, *pairs)]


def _plain(name: str) -> str:
    return name.lstrip("-").replace("-", "_")
