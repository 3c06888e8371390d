"""Which runs a grid has: every combination of the values, for every run file that knows the setting."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from prefalign.config import RunConfig, load_run
from prefdata.errors import ConfigError

_OUTPUT = "output.dir"


class Axis(NamedTuple):
    """A setting and the values it takes."""

    key: str
    values: list[Any]


class Trial(NamedTuple):
    """One run of a grid.

    Attributes:
        name: unique in the grid; that of its run directory.
        run_file: that it starts from.
        settings: key -> value, the axes that its method knows.
        config: the run file with those settings.
    """

    name: str
    run_file: Path
    settings: dict[str, Any]
    config: RunConfig

    @property
    def overrides(self) -> list[str]:
        """Returns the settings as `--set` takes them, the run directory included."""
        settings = self.settings | {_OUTPUT: str(self.config.output.dir)}
        return [f"{key}={_yaml(value)}" for key, value in settings.items()]


def parse_axis(text: str) -> Axis:
    """Returns the axis in `group.key=value,value`; values are YAML.

    Raises:
        ConfigError: there is no value, or one is no YAML.
    """
    key, _, values = text.partition("=")
    try:
        parsed = yaml.safe_load(f"[{values}]")
    except yaml.YAMLError:
        parsed = []
    if not key.strip() or not parsed or len({_yaml(value) for value in parsed}) < len(parsed):
        raise ConfigError(
            [f"{text}: expected group.key=value,value with different values"],
            source="--over",
            hint="for example: --over method.beta=0.05,0.1,0.3",
        )
    return Axis(key.strip(), parsed)


def grid(run_files: Sequence[Path], axes: Sequence[Axis], directory: Path) -> list[Trial]:
    """Returns the trials of a sweep, each checked like a run of its own.

    A setting of `method` is varied in the run files whose method has it, any other in all of them.

    Args:
        run_files: to start from.
        axes: what is varied.
        directory: where the run directories go.

    Raises:
        InputError: a run file is missing.
        ConfigError: a value is refused, a setting belongs to no run file, or two trials are one.
    """
    known: set[str] = set()
    trials = []
    for run_file in run_files:
        method = load_run(run_file).method
        own = [axis for axis in axes if _applies(axis.key, set(type(method).model_fields))]
        known |= {axis.key for axis in own}
        for values in product(*(axis.values for axis in own)):
            settings = dict(zip((axis.key for axis in own), values, strict=True))
            trials.append(_trial(run_file, settings, directory))
    _refuse_strays(axes, known, trials)
    return trials


def _applies(key: str, fields: set[str]) -> bool:
    group, _, name = key.partition(".")
    return group != "method" or name in fields


def _trial(run_file: Path, given: dict[str, Any], directory: Path) -> Trial:
    config = load_run(run_file, [f"{key}={_yaml(value)}" for key, value in given.items()])
    # YAML reads 1e-5 as text; what the run file makes of it is a number
    settings = {key: _read(config, key) for key in given}
    parts = [run_file.stem, *(f"{_short(key)}-{_word(value)}" for key, value in settings.items())]
    name = "_".join(parts)
    output = config.output.model_copy(update={"dir": directory / name})
    return Trial(name, run_file, settings, config.model_copy(update={"output": output}))


def _read(config: RunConfig, key: str) -> Any:
    return reduce(getattr, key.split("."), config)


def _refuse_strays(axes: Sequence[Axis], known: set[str], trials: Sequence[Trial]) -> None:
    problems = [
        f"{axis.key}: no run file has a method with this setting"
        for axis in axes
        if axis.key not in known
    ]
    names = [trial.name for trial in trials]
    twice = sorted({name for name in names if names.count(name) > 1})
    problems += [
        f"{name}: two trials have this name; rename a run file, or remove a value" for name in twice
    ]
    if problems:
        raise ConfigError(problems, source="--over")


def _short(key: str) -> str:
    return key.rpartition(".")[2].rstrip("_")


def _word(value: Any) -> str:
    """Returns a value as a part of a directory's name."""
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return "".join(c if c.isalnum() or c in ".-+" else "-" for c in text)


def _yaml(value: Any) -> str:
    return yaml.safe_dump(value, default_flow_style=True, width=10**6).partition("\n")[0]
