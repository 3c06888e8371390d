"""What can be set of rules, and what is said where a setting is wrong."""

from __future__ import annotations

from typing import Literal

import msgspec
import pytest
from msgspec import Struct

from prefdata.checks import RULES, DatasetRule, SetRule
from prefdata.config import RuleSettings, Settings, rule_settings
from prefdata.errors import ConfigError
from prefdata.policy import check_settings, own_settings, settings_of


class Limits(Struct, frozen=True):
    """Of a rule.

    Attributes:
        least: how many there must be, counted
            in pairs.
        share: of them.
        unit: what is counted.
        words: never counted.
    """

    least: int = 3
    share: float = 0.5
    unit: Literal["pairs", "tokens"] = "pairs"
    words: tuple[str, ...] = ("a",)


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> SetRule:
    RULES.load()
    rule = SetRule(
        code="PD999",
        name="toy",
        level="warning",
        page="",
        kind="set",
        settings=Limits,
        find=lambda data, limits: None,
    )
    monkeypatch.setitem(RULES._items, "toy", rule)
    return rule


def test_settings_of_a_rule_are_those_of_all_then_its_own(toy: SetRule) -> None:
    assert [setting[:3] for setting in settings_of(toy)] == [
        ("level", "error, warning or info", "warning"),
        ("max_rate", "number from 0 to 1", None),
        ("least", "whole number", 3),
        ("share", "number", 0.5),
        ("unit", "'pairs' or 'tokens'", "pairs"),
        ("words", "list of text", ("a",)),
    ]
    meanings = {setting.name: setting.meaning for setting in settings_of(toy)}
    assert meanings["least"] == "how many there must be, counted in pairs."


def test_own_settings_become_a_record_with_defaults_for_the_rest(toy: SetRule) -> None:
    given = rule_settings({"PD999": {"least": 5, "level": "error", "words": ["b", "c"]}})
    assert own_settings(given) == {"toy": Limits(least=5, words=("b", "c"))}


def test_everything_wrong_is_said_at_once(toy: SetRule) -> None:
    settings = Settings.model_validate(
        {
            "select": ["PD2", "PD98"],
            "ignore": ["identical-par"],
            "rules": {
                "toy": {"leest": 3, "share": "half", "unit": "words", "max": 3},
                "PD999": {"least": 1},
                "length-bias": {"min": 0.5, "max_rate": 0.1},
                "nothing-of-it": {},
            },
        }
    )
    with pytest.raises(ConfigError) as error:
        check_settings(settings, "pyproject.toml")
    assert error.value.source == "pyproject.toml"
    assert [problem.partition(";")[0] for problem in error.value.problems] == [
        "select: there is no rule 'PD98'",
        "ignore: there is no rule 'identical-par'",
        "rules.toy.max: unknown key",
        "rules.toy.leest: unknown key",
        "rules.toy.share: Expected `float`, got `str`",
        "rules.toy.unit: Invalid enum value 'words'",
        "rules.PD999: the same rule as rules.toy",
        "rules.length-bias.min: unknown key",
        "rules.length-bias.max_rate: unknown key",
        "rules.nothing-of-it: there is no rule 'nothing-of-it'",
    ]
    assert "did you mean 'least'?" in error.value.message
    assert "did you mean 'identical-pair'?" in error.value.message


def test_plain_mappings_are_checked_like_the_tables_of_a_file() -> None:
    assert rule_settings({"a": {"max": 0.7}, "b": RuleSettings(level="info")}) == {
        "a": RuleSettings(max=0.7),
        "b": RuleSettings(level="info"),
    }
    with pytest.raises(ConfigError) as error:
        rule_settings({"a": {"level": "grave", "max_rate": 2}})
    assert [problem.partition(":")[0] for problem in error.value.problems] == [
        "rules.a.level",
        "rules.a.max_rate",
    ]


@pytest.mark.parametrize("name", RULES.names())
def test_every_setting_has_a_type_a_default_and_a_meaning(name: str) -> None:
    rule = RULES.get(name)
    settings = settings_of(rule)
    assert all(setting.meaning for setting in settings), "say it under Attributes: of the struct"
    assert len({setting.name for setting in settings}) == len(settings)
    own = settings[2:]
    assert [setting.name for setting in own] == [
        *(rule.settings.__struct_fields__ if rule.settings else ())
    ]
    defaults = {
        setting.name: setting.default for setting in settings if setting.default is not None
    }
    own_settings(rule_settings({name: defaults}))
    if isinstance(rule, DatasetRule):
        assert settings[1].default == rule.limit
    if rule.settings:
        assert msgspec.convert(msgspec.to_builtins(rule.settings()), rule.settings)
