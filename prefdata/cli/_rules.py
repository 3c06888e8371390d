"""Options that name rules, and the settings in force when they and the file are taken together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, get_args

import click

from prefdata.config import FailOn, RuleSettings, Settings, locate_settings

F = TypeVar("F", bound=Callable[..., Any])


class InForce(NamedTuple):
    """Settings that hold for a command.

    Attributes:
        settings: of the options, then of the file, then the defaults.
        path: the file; None where there is none.
        options: what the options have set, as keys such as `fail-on`.
    """

    settings: Settings
    path: Path | None
    options: frozenset[str]


def rule_list(
    ctx: click.Context,  # noqa: ARG001 - click's signature
    param: click.Parameter,  # noqa: ARG001
    value: str | None,
) -> list[str] | None:
    """Returns the names, codes or families in a comma-separated option."""
    if value is None:
        return None
    return [word.strip() for word in value.split(",") if word.strip()]


def _rates(
    ctx: click.Context,  # noqa: ARG001 - click's signature
    param: click.Parameter,  # noqa: ARG001
    value: tuple[str, ...],
) -> dict[str, float]:
    return dict(map(_rate, value))


def _rate(text: str) -> tuple[str, float]:
    word, _, rate = text.partition("=")
    try:
        number = float(rate)
    except ValueError:
        number = -1
    if not word or not 0 <= number <= 1:
        raise click.BadParameter(
            f"'{text}' is not RULE=RATE with a rate from 0 to 1, as in PD201=0.01"
        )
    return word.strip(), number


_OPTIONS = (
    click.option(
        "--select",
        metavar="RULES",
        callback=rule_list,
        help="Only these: names, codes or families (PD2), separated by commas.",
    ),
    click.option("--ignore", metavar="RULES", callback=rule_list, help="All rules but these."),
    click.option(
        "--fail-on",
        type=click.Choice(get_args(FailOn)),
        help="Exit 1 on findings of this level or worse.  [default: error]",
    ),
    click.option(
        "--max-rate",
        "max_rates",
        metavar="RULE=RATE",
        multiple=True,
        callback=_rates,
        help="Findings of RULE in up to this share of the rows are only information.",
    ),
)


def rule_options(command: F) -> F:
    """Adds the options that settings know, too; pass their values to `in_force`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def in_force(
    *,
    select: list[str] | None,
    ignore: list[str] | None,
    fail_on: FailOn | None,
    max_rates: dict[str, float],
) -> InForce:
    """Returns the settings of the nearest file with the options put before them, checked.

    Raises:
        ConfigError: the file or an option names what does not exist; all of either are listed.
    """
    from prefdata.policy import check_settings

    located = locate_settings(Path.cwd())
    check_settings(located.settings, str(located.path))
    given = {"select": select, "ignore": ignore, "fail_on": fail_on}
    changed = {key: value for key, value in given.items() if value is not None}
    only_options = Settings.model_validate(
        changed | {"rules": {word: {"max_rate": rate} for word, rate in max_rates.items()}}
    )
    check_settings(only_options, "the options")
    rules, keys = _with_rates(located.settings.rules, max_rates)
    settings = located.settings.model_copy(update=changed | {"rules": rules})
    return InForce(settings, located.path, frozenset(changed) | keys)


def _with_rates(
    rules: dict[str, RuleSettings], rates: dict[str, float]
) -> tuple[dict[str, RuleSettings], frozenset[str]]:
    """Returns settings by rule name, rates put before those they have, and the keys of the rates."""
    from prefdata.checks import find_rule

    found = {find_rule(word).name: settings for word, settings in rules.items()}
    keys = set()
    for word, rate in rates.items():
        name = find_rule(word).name
        found[name] = found.get(name, RuleSettings()).model_copy(update={"max_rate": rate})
        keys.add(f"rules.{name}.max_rate")
    return found, frozenset(keys)
