"""Say which settings hold here, and where each comes from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from prefdata.cli._rules import InForce, in_force, rule_options

if TYPE_CHECKING:
    from prefdata.checks import Rule


@click.command()
@click.option("--show", is_flag=True, help="Print every value with its source.")
@rule_options
def command(*, show: bool, **options: Any) -> None:
    """Check the settings that hold in this directory: those of the nearest file upwards.

    They stand in [tool.prefdata] of pyproject.toml, or in prefdata.toml; options of a command go before
    them. Exit code 0: they can be used; 2: they cannot, and every problem is listed.

    \b
    Examples:
      prefdata config
      prefdata config --show --fail-on warning
    """
    found = in_force(**options)
    if not show:
        click.echo(f"{found.path}: can be used" if found.path else "no file: all is default")
        return
    rows = [("key", "value", "source"), *_rows(found)]
    widths = [max(len(row[i]) for row in rows) for i in range(2)]
    for key, value, source in rows:
        click.echo(f"{key:<{widths[0]}}  {value:<{widths[1]}}  {source}")


def _rows(found: InForce) -> Iterator[tuple[str, str, str]]:
    from prefdata.checks import RULES

    given = found.settings.model_fields_set
    for key, field in type(found.settings).model_fields.items():
        if key != "rules":
            value = getattr(found.settings, key)
            yield field.alias or key, _shown(value), _source(found, key, in_file=key in given)
    for rule in sorted(RULES, key=lambda rule: rule.code):
        yield from _rule_rows(found, rule)


def _rule_rows(found: InForce, rule: Rule) -> Iterator[tuple[str, str, str]]:
    from prefdata.policy import settings_of

    settings = found.settings.rules.get(rule.name)
    given = settings.model_dump(exclude_none=True) if settings else {}
    for setting in settings_of(rule):
        key = f"rules.{rule.name}.{setting.name}"
        value = given.get(setting.name, setting.default)
        yield key, _shown(value), _source(found, key, in_file=setting.name in given)


def _source(found: InForce, key: str, *, in_file: bool) -> str:
    if key in found.options:
        return "option"
    return str(found.path) if in_file else "default"


def _shown(value: Any) -> str:
    return "-" if value is None else json.dumps(value, ensure_ascii=False)
