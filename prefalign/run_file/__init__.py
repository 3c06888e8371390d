"""The text of a run file: its values, and the line that each of them stands on."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from prefdata.errors import ConfigError, InputError

KeyPath: TypeAlias = tuple[str, ...]

NOWHERE, COMMAND_LINE = 0, sys.maxsize


@dataclass
class RunFile:
    """What a run file and the overrides of the command line say, before anybody judges it.

    Attributes:
        name: the file, for messages.
        values: nested groups.
        lines: key path -> its line, from 1; `COMMAND_LINE` for an override.
        problems: key path and sentence of what is wrong with the text itself.
    """

    name: str
    values: dict[Any, Any]
    lines: dict[KeyPath, int] = field(default_factory=dict)
    problems: list[tuple[KeyPath, str]] = field(default_factory=list)

    def report(self, problems: Iterable[tuple[KeyPath, str]]) -> list[str]:
        """Returns problems in the order of the file, each after its place and its key."""
        placed = sorted(
            ((self._line(path), path, text) for path, text in problems), key=itemgetter(0)
        )
        return [f"{_place(line)}{'.'.join(path)}: {text}" for line, path, text in placed]

    def _line(self, path: KeyPath) -> int:
        """Returns the line of `path` or of the closest group around it; `NOWHERE` if there is none."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, NOWHERE)


def _place(line: int) -> str:
    if line == NOWHERE:
        return ""
    return "--set " if line == COMMAND_LINE else f"line {line}: "


def read_run_file(path: Path) -> RunFile:
    """Reads the YAML of `path` without running anything it holds.

    Raises:
        InputError: there is no such file.
        ConfigError: it is not YAML, or not groups of settings.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise InputError(
            f"{path}: no such file", hint=f"make one: prefalign init dpo -o {path}"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error
    node, values = _parse(text, path)
    run_file = RunFile(str(path), values)
    for key_path, line in _keys(node, ()):
        if key_path in run_file.lines:
            run_file.problems.append((key_path, f"given again on line {line}"))
        run_file.lines.setdefault(key_path, line)
    return run_file


def _parse(text: str, path: Path) -> tuple[yaml.MappingNode, dict[Any, Any]]:
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        values = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise ConfigError([f"{line}not YAML: {error.problem}"], source=str(path)) from error
    except yaml.YAMLError as error:
        raise ConfigError([f"not YAML: {error}"], source=str(path)) from error
    if not isinstance(values, dict) or not isinstance(node, yaml.MappingNode):
        raise ConfigError(
            ["expected groups of settings: data, model, method, output"],
            source=str(path),
            hint=f"start from a recipe: prefalign init dpo -o {path}",
        )
    return node, values


def _keys(node: yaml.MappingNode, above: KeyPath) -> Iterator[tuple[KeyPath, int]]:
    """Yields the path and line number, from 1, of every key."""
    for key, value in node.value:
        path = (*above, str(key.value))
        yield path, key.start_mark.line + 1
        if isinstance(value, yaml.MappingNode):
            yield from _keys(value, path)


def override(run_file: RunFile, settings: Iterable[str]) -> None:
    """Applies settings of the form `group.key=value` to `run_file`; the value is YAML."""
    for setting in settings:
        dotted, equals, text = setting.partition("=")
        path = tuple(dotted.strip().split("."))
        run_file.lines[path] = COMMAND_LINE
        for depth in range(1, len(path)):
            run_file.lines.setdefault(path[:depth], COMMAND_LINE)
        if not equals or not all(path):
            run_file.problems.append((path, "expected group.key=value"))
            continue
        try:
            _put(run_file, path, yaml.safe_load(text))
        except yaml.YAMLError:
            run_file.problems.append((path, f"the value is not YAML: {text}"))


def _put(run_file: RunFile, path: KeyPath, value: Any) -> None:
    group = run_file.values
    for depth, name in enumerate(path[:-1], start=1):
        inner = group.get(name)
        if inner is None:
            inner = group[name] = {}
        if not isinstance(inner, dict):
            run_file.problems.append((path, f"{'.'.join(path[:depth])} is no group of settings"))
            return
        group = inner
    group[path[-1]] = value
