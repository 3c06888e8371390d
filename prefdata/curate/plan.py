"""A plan: the steps of a curation in order, from YAML or from options, checked as a whole."""

from __future__ import annotations

from functools import reduce
from operator import or_
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny, ValidationError

from prefdata.curate.step import STEPS, Step
from prefdata.curate.steps.fix import Fix, droppers
from prefdata.errors import ConfigError, InputError, PrefError
from prefdata.registry import did_you_mean

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    AnyStep = Step
else:
    AnyStep = Annotated[reduce(or_, STEPS), Field(discriminator="step")]

_SHOWN = 60  # characters of a value in a message


class Plan(BaseModel):
    """What to do with a set, step after step.

    steps:
      - step: fix
      - step: dedup
        how: loose
        keep: margin
      - step: cap
        most: 4
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    steps: tuple[SerializeAsAny[AnyStep], ...]


SAFE_FIXES = Plan(steps=(Fix(),))


def load_plan(path: Path) -> Plan:
    """Returns the plan in a YAML file.

    Raises:
        InputError: the file cannot be read.
        ConfigError: it is no YAML, or no plan; all problems are listed.
    """
    try:
        content = yaml.safe_load(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError([" ".join(str(error).split())], source=str(path)) from error
    return read_plan(content, str(path))


def read_plan(content: Any, source: str) -> Plan:
    """Returns the plan that `content` (mappings, lists, scalars) describes.

    Raises:
        ConfigError: it is none; all problems are listed.
    """
    try:
        plan = Plan.model_validate(content)
    except ValidationError as error:
        hint = f"steps: {', '.join(STEPS.names())}; `prefdata curate --list` explains them"
        raise ConfigError(list(map(_problem, error.errors())), source=source, hint=hint) from error
    problems = [f"steps.{at}.rules: {text}" for at, text in _unknown_rules(plan)]
    if problems:
        raise ConfigError(problems, source=source)
    return plan


def _unknown_rules(plan: Plan) -> list[tuple[int, str]]:
    found = []
    for at, step in enumerate(plan.steps, 1):
        try:
            droppers(step.rules if isinstance(step, Fix) else ())
        except PrefError as error:
            found.append((at, f"{error.message}; {error.hint}"))
    return found


def _problem(error: ErrorDetails) -> str:
    """Returns the place of a problem, steps counted from 1, and what is wrong there."""
    place = [str(part + 1) if isinstance(part, int) else part for part in error["loc"]]
    kind = error["loc"][2] if len(error["loc"]) > 2 else None
    known = list(Plan.model_fields)
    if isinstance(kind, str):  # pydantic names the kind of step between its number and the key
        del place[2]
        known = list(STEPS.get(kind).model_fields)
    where = ".".join(map(str, place)) or "plan"
    match error["type"]:
        case "extra_forbidden":
            meant = did_you_mean(str(place[-1]), known) or f"known: {', '.join(known)}"
            return f"{where}: unknown key; {meant}"
        case "union_tag_invalid":
            tag = str(error["input"]["step"])
            meant = did_you_mean(tag, STEPS.names()) or "no such step"
            return f"{where}.step: unknown step '{tag[:_SHOWN]}'; {meant}"
        case "union_tag_not_found":
            return f"{where}: says no step"
        case "missing":
            return f"{where}: is needed"
    return f"{where}: {error['msg'].removeprefix('Value error, ')}, not {_value(error['input'])}"


def _value(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
