"""What settings make of the rules: their limits, their levels, and the values only they have."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple, get_args, get_origin

import msgspec
from msgspec import Struct

from prefdata.checks import DatasetRule, Rule, find_rule, matching
from prefdata.config import RuleSettings, Settings
from prefdata.errors import ConfigError, PrefError
from prefdata.registry import did_you_mean
from prefdata.types import Level

_TYPES: dict[Any, str] = {
    int: "whole number",
    float: "number",
    str: "text",
    bool: "true or false",
    type(None): "nothing",
}
_LISTS = (list, tuple, set, frozenset)


class Setting(NamedTuple):
    """Something people may set of a rule.

    Attributes:
        name: its key in `[tool.prefdata.rules]`.
        type: what it takes, in words.
        default: its value where nobody sets it; None for none.
        meaning: what it does, one sentence.
    """

    name: str
    type: str
    default: Any
    meaning: str


def settings_of(rule: Rule) -> list[Setting]:
    """Returns everything that can be set of a rule: what all have, then what only it has."""
    found = [Setting("level", "error, warning or info", rule.level, "how grave a finding is")]
    if isinstance(rule, DatasetRule):
        ends = "more" if rule.bound == "max" else "less"
        meaning = f"broken when the whole 95 % interval is {ends}"
        found.append(Setting(rule.bound, "number", rule.limit, meaning))
    else:
        meaning = "findings in up to this share of the rows are only information"
        found.append(Setting("max_rate", "number from 0 to 1", None, meaning))
    if rule.settings is not None:
        found += _own(rule.settings)
    return found


def _own(settings: type[Struct]) -> Iterable[Setting]:
    meanings, defaults = _meanings(settings), settings()
    for field in msgspec.structs.fields(settings):
        default = msgspec.to_builtins(getattr(defaults, field.name))
        yield Setting(field.name, _in_words(field.type), default, meanings.get(field.name, ""))


def _meanings(settings: type[Struct]) -> dict[str, str]:
    """Returns what the Attributes section of the docstring says of each field."""
    section = (inspect.getdoc(settings) or "").partition("Attributes:\n")[2]
    found = re.findall(r"^    (\w+): (.*(?:\n {8,}.*)*)", section, re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in found}


def _in_words(kind: Any) -> str:
    origin, inside = get_origin(kind), get_args(kind)
    if origin is Literal:
        return " or ".join(map(repr, inside))
    if origin in _LISTS:
        return f"list of {_in_words(inside[0])}"
    if inside:  # a union
        return " or ".join(map(_in_words, inside))
    return _TYPES.get(kind, getattr(kind, "__name__", str(kind)))


class Policy:
    """What the settings make of a rule: its limit, and its level at a number of findings.

    Attributes:
        options: rule name -> its own settings, where any are given.
    """

    def __init__(self, settings: Mapping[str, RuleSettings], pairs: int, quarantined: int) -> None:
        self.options = own_settings(settings)
        self._settings = {find_rule(word).name: value for word, value in settings.items()}
        self._pairs, self._quarantined = pairs, quarantined

    def limit(self, rule: DatasetRule) -> float:
        """Returns the limit of a dataset rule."""
        given = self._of(rule)
        limit = given.max if rule.bound == "max" else given.min
        return rule.limit if limit is None else limit

    def rows(self, rule: Rule) -> int:
        """Returns the number of rows that a rule looks at."""
        return self._pairs + (self._quarantined if rule.kind == "read" else 0)

    def level(self, rule: Rule, count: int) -> Level:
        """Returns the level of a rule; findings within its `max_rate` are only information."""
        settings = self._of(rule)
        if settings.max_rate is not None and count <= settings.max_rate * self.rows(rule):
            return "info"
        return settings.level or rule.level

    def _of(self, rule: Rule) -> RuleSettings:
        return self._settings.get(rule.name, RuleSettings())


def own_settings(
    settings: Mapping[str, RuleSettings], *, source: str = "the settings"
) -> dict[str, Struct]:
    """Returns rule name -> the settings that only this rule has, where any are given.

    Raises:
        ConfigError: a rule does not exist or is named twice, a key is unknown, or a value is of the
            wrong type; all such are listed, and `source` says where they stand.
    """
    found, problems = _converted(settings)
    if problems:
        raise ConfigError(problems, source=source)
    return found


def check_settings(settings: Settings, source: str) -> None:
    """Raises where settings name what does not exist.

    Raises:
        ConfigError: lists every such place.
    """
    problems = [
        f"{key}: {_said(error)}"
        for key, words in (("select", settings.select), ("ignore", settings.ignore))
        for error in _unknown(words or [])
    ]
    problems += _converted(settings.rules)[1]
    if problems:
        raise ConfigError(problems, source=source)


def _unknown(words: list[str]) -> Iterable[PrefError]:
    for word in words:
        try:
            matching([word])
        except PrefError as error:
            yield error


def _converted(settings: Mapping[str, RuleSettings]) -> tuple[dict[str, Struct], list[str]]:
    found: dict[str, Struct] = {}
    problems: list[str] = []
    words: dict[str, str] = {}
    for word, value in settings.items():
        try:
            rule = find_rule(word)
        except PrefError as error:
            problems.append(f"rules.{word}: {_said(error)}")
            continue
        if words.setdefault(rule.name, word) != word:
            problems.append(f"rules.{word}: the same rule as rules.{words[rule.name]}")
        given = value.model_dump(exclude_none=True)
        wrong = [f"rules.{word}.{each}" for each in _problems(rule, given)]
        problems += wrong
        own = _only_own(rule, given)
        if rule.settings is not None and own and not wrong:
            found[rule.name] = msgspec.convert(own, rule.settings)
    return found, problems


def _said(error: PrefError) -> str:
    return f"{error.message}; {error.hint}" if error.hint else error.message


def _only_own(rule: Rule, given: Mapping[str, Any]) -> dict[str, Any]:
    fields = rule.settings.__struct_fields__ if rule.settings else ()
    return {key: value for key, value in given.items() if key in fields}


def _problems(rule: Rule, given: Mapping[str, Any]) -> Iterable[str]:
    """Yields what is wrong with each key of a rule's settings."""
    known = [setting.name for setting in settings_of(rule)]
    for key in given:
        if key not in known:
            yield f"{key}: unknown key; {did_you_mean(key, known) or 'known: ' + ', '.join(known)}"
    for key, value in _only_own(rule, given).items():
        try:
            msgspec.convert({key: value}, rule.settings)
        except msgspec.ValidationError as error:
            yield f"{key}: {str(error).partition(' - at ')[0]}"
