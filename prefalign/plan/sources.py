"""Where each value of a run comes from: the command line, the file, its recipe, or a default."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from prefalign.config import RunConfig
from prefalign.plan.record import Setting
from prefalign.recipes import recipe, recipes
from prefalign.run_file import COMMAND_LINE, KeyPath, override, read_run_file

_ABSENT = object()


def settings_of(run: RunConfig, path: Path, overrides: Sequence[str]) -> Iterator[Setting]:
    """Yields every value of the resolved `run` with its source.

    Args:
        run: what `path` and `overrides` were resolved to.
        path: the run file.
        overrides: settings as `group.key=value`.
    """
    run_file = read_run_file(path)
    override(run_file, overrides)
    name = recipe_of(path)
    copied = yaml.safe_load(recipe(name)) if name else {}
    for keys, value in _leaves(run.model_dump(mode="json"), ()):
        said = _said(run_file.lines, keys)
        key = ".".join(keys)
        if said is None:
            yield Setting(key=key, value=value, source="default")
        elif said == COMMAND_LINE:
            yield Setting(key=key, value=value, source="--set")
        elif name and _at(copied, keys) == _at(run_file.values, keys):
            yield Setting(key=key, value=value, source="recipe", recipe=name, line=said)
        else:
            yield Setting(key=key, value=value, source="file", line=said)


def recipe_of(path: Path) -> str | None:
    """Returns the recipe that a run file was copied from, which its first line tells; or None."""
    first = path.read_text(encoding="utf-8").partition("\n")[0]
    purposes = {f"# {purpose}": name for name, purpose in recipes().items()}
    return purposes.get(first.rstrip())


def _leaves(values: dict[str, Any], above: KeyPath) -> Iterator[tuple[KeyPath, Any]]:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, (*above, key))
        else:
            yield (*above, key), value


def _said(lines: dict[KeyPath, int], keys: KeyPath) -> int | None:
    """Returns the line that sets `keys` itself or, as a value, a group around it."""
    if keys in lines:
        return lines[keys]
    # --set model.lora={r: 8} has no line for r; the groups of a file have lines that set nothing
    around = [lines.get(keys[:depth]) for depth in range(2, len(keys))]
    return COMMAND_LINE if COMMAND_LINE in around else None


def _at(values: Any, keys: KeyPath) -> Any:
    for key in keys:
        if not isinstance(values, dict) or key not in values:
            return _ABSENT
        values = values[key]
    return values
