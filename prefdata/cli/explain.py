"""Print the page of a rule or a format: what it is, why it matters, an example, the fix."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from prefdata.errors import PrefError
from prefdata.registry import did_you_mean

if TYPE_CHECKING:
    from prefdata.checks import Rule
    from prefdata.policy import Setting


@click.command()
@click.argument("name", required=False)
@click.option("--all", "everything", is_flag=True, help="Print the page of every rule.")
@click.option("--json", "as_json", is_flag=True, help="Print rules as JSON.")
def command(name: str | None, *, everything: bool, as_json: bool) -> None:
    """Print the page of the rule or format NAME; without it, list all rules. Codes will do.

    \b
    Examples:
      prefdata explain identical-pair
      prefdata explain PD501 --json
    """
    from prefdata.checks import RULES

    rules = sorted(RULES, key=lambda rule: rule.code)
    if as_json:
        found = _facts(_rule(name, rules)) if name else [_facts(rule) for rule in rules]
        click.echo(json.dumps(found, ensure_ascii=False, indent=2))
    elif everything:
        click.echo("\n\n".join(_page(rule) for rule in rules))
    elif name is None:
        width = max(len(rule.name) for rule in rules)
        for rule in rules:
            click.echo(f"{rule.code}  {rule.name:<{width}}  {rule.level:<7}  {rule.summary}")
    else:
        click.echo(_find(name, rules))


def _find(name: str, rules: list[Rule]) -> str:
    from prefdata.formats import LAYOUTS

    if name in LAYOUTS.names():
        return f"{name}\n\n{LAYOUTS.get(name).page}"
    return _page(_rule(name, rules, LAYOUTS.names()))


def _rule(name: str, rules: list[Rule], layouts: list[str] | None = None) -> Rule:
    for rule in rules:
        if name.lower() in (rule.name, rule.code.lower()):
            return rule
    known = [word for rule in rules for word in (rule.name, rule.code)] + (layouts or [])
    hint = (
        did_you_mean(name, known)
        or "`prefdata explain` lists the rules, `prefdata formats` the formats"
    )
    raise PrefError(f"there is no rule or format '{name}'", hint=hint)


def _page(rule: Rule) -> str:
    from prefdata.policy import settings_of

    fix = f"fix: {rule.fix.action} ({rule.fix.safety})" if rule.fix else "no automatic fix"
    head = f"{rule.code} {rule.name} · {rule.level} · {fix} · since {rule.since}"
    settings = settings_of(rule)
    lines = ["## Settings", *_lines(settings), "```toml", *_toml(rule, settings), "```"]
    return "\n\n".join((head, rule.page.strip(), "\n".join(lines)))


def _lines(settings: list[Setting]) -> Iterator[str]:
    width = max(len(setting.name) for setting in settings)
    for setting in settings:
        meaning = f"{setting.meaning}: " if setting.meaning else ""
        default = "" if setting.default is None else f"; default {_value(setting.default)}"
        yield f"{setting.name:<{width}}  {meaning}{setting.type}{default}"


def _toml(rule: Rule, settings: list[Setting]) -> list[str]:
    """Returns the defaults as they would stand in pyproject.toml."""
    given = ", ".join(
        f"{setting.name} = {_value(setting.default)}"
        for setting in settings
        if setting.default is not None
    )
    return ["[tool.prefdata.rules]", f"{rule.name} = {{ {given} }}"]


def _value(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _facts(rule: Rule) -> dict[str, Any]:
    from prefdata.policy import settings_of

    return {
        "code": rule.code,
        "name": rule.name,
        "level": rule.level,
        "kind": rule.kind,
        "needs": rule.needs,
        "fix": rule.fix._asdict() if rule.fix else None,
        "since": rule.since,
        "summary": rule.summary,
        "settings": [setting._asdict() for setting in settings_of(rule)],
        "sections": _sections(rule.page),
    }


def _sections(page: str) -> dict[str, str]:
    """Returns the text under each heading of a page."""
    _, *parts = ("\n" + page).split("\n## ")
    pairs = (part.partition("\n") for part in parts)
    return {title.strip(): text.strip() for title, _, text in pairs}
