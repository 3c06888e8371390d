"""Settings of the data tool: `[tool.prefdata]` in the nearest pyproject.toml, or prefdata.toml.

[tool.prefdata]
ignore = ["template-marker-in-text"]
fail-on = "warning"

[tool.prefdata.rules]
length-bias = { max = 0.75 }
duplicate-pair = { max_rate = 0.02, level = "error" }
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from prefdata.errors import ConfigError
from prefdata.registry import did_you_mean
from prefdata.types import Level

FailOn: TypeAlias = Literal["error", "warning", "info", "never"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class RuleSettings(_Part):
    """What a person wants of one rule; other keys are settings of the rule's own."""

    model_config = ConfigDict(extra="allow")

    level: Level | None = None
    max: float | None = Field(default=None, description="upper limit of a dataset rule")
    min: float | None = Field(default=None, description="lower limit of a dataset rule")
    max_rate: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="up to this share of rows, findings are only information",
    )


class Settings(_Part):
    """The whole of `[tool.prefdata]`; rules are named by name, code or, in lists, family (PD2)."""

    select: list[str] | None = Field(default=None, description="rules to run; all if absent")
    ignore: list[str] = []
    fail_on: FailOn = Field(default="error", alias="fail-on")
    rules: dict[str, RuleSettings] = {}


class Located(NamedTuple):
    """Settings, and the file they were read from; None where all are defaults."""

    settings: Settings
    path: Path | None


def locate_settings(start: Path) -> Located:
    """Returns the settings that hold in directory `start`: those of the nearest file upwards.

    Raises:
        ConfigError: the file is not TOML, or has keys or values we do not know; all are listed.
    """
    for directory in (start, *start.parents):
        for path, read in (
            (directory / "prefdata.toml", _toml),
            (directory / "pyproject.toml", _tool_table),
        ):
            table = read(path)
            if table is not None:
                return Located(_settings(table, str(path)), path)
    return Located(Settings(), None)


def load_settings(start: Path) -> Settings:
    """Returns the settings that hold in directory `start`, as `locate_settings` finds them.

    Raises:
        ConfigError: the file is not TOML, or has keys or values we do not know; all are listed.
    """
    return locate_settings(start).settings


def rule_settings(
    given: Mapping[str, RuleSettings | Mapping[str, Any]], *, source: str = "the settings"
) -> dict[str, RuleSettings]:
    """Returns settings of rules as records; plain mappings are read like the tables of a file.

    Raises:
        ConfigError: a value is of the wrong type; all are listed.
    """
    plain = {word: value for word, value in given.items() if not isinstance(value, RuleSettings)}
    read = _settings({"rules": plain}, source).rules
    return {
        word: value if isinstance(value, RuleSettings) else read[word]
        for word, value in given.items()
    }


def _toml(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError([str(error)], source=str(path)) from error


def _tool_table(path: Path) -> dict[str, Any] | None:
    """Returns [tool.prefdata]; somebody else's pyproject.toml is not ours to judge."""
    try:
        tools = (_toml(path) or {}).get("tool", {})
    except ConfigError:
        return None
    return tools.get("prefdata") if isinstance(tools, dict) else None


def _settings(table: dict[str, Any], source: str) -> Settings:
    try:
        return Settings.model_validate(table)
    except ValidationError as error:
        problems = [_problem(tuple(p["loc"]), p["type"], p["msg"]) for p in error.errors()]
        raise ConfigError(problems, source=source) from error


def _problem(place: tuple[int | str, ...], kind: str, message: str) -> str:
    key = ".".join(map(str, place))
    if kind != "extra_forbidden":
        return f"{key}: {message}"
    model = RuleSettings if place[0] == "rules" else Settings
    known = [field.alias or name for name, field in model.model_fields.items()]
    hint = did_you_mean(str(place[-1]), known)
    return f"{key}: unknown key; {hint or 'known: ' + ', '.join(known)}"
