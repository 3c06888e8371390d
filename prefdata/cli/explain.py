"""Print the page of a rule or a format: what it is, why it matters, an example, the fix."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from prefdata.errors import PrefError
from prefdata.registry import did_you_mean

if TYPE_CHECKING:
    from prefdata.checks import Rule


@click.command()
@click.argument("name", required=False)
@click.option("--all", "everything", is_flag=True, help="Print the page of every rule.")
def command(name: str | None, *, everything: bool) -> None:
    """Print the page of the rule or format NAME; without it, list all rules. Codes will do.

    \b
    Examples:
      prefdata explain identical-pair
      prefdata explain PD501
    """
    from prefdata.checks import RULES

    rules = sorted(RULES, key=lambda rule: rule.code)
    if everything:
        click.echo("\n\n".join(_page(rule) for rule in rules))
    elif name is None:
        width = max(len(rule.name) for rule in rules)
        for rule in rules:
            click.echo(f"{rule.code}  {rule.name:<{width}}  {rule.level:<7}  {rule.summary}")
    else:
        click.echo(_find(name, rules))


def _find(name: str, rules: list[Rule]) -> str:
    from prefdata.formats import LAYOUTS

    for rule in rules:
        if name.lower() in (rule.name, rule.code.lower()):
            return _page(rule)
    if name in LAYOUTS.names():
        return f"{name}\n\n{LAYOUTS.get(name).page}"
    known = [word for rule in rules for word in (rule.name, rule.code)] + LAYOUTS.names()
    hint = (
        did_you_mean(name, known)
        or "`prefdata explain` lists the rules, `prefdata formats` the formats"
    )
    raise PrefError(f"there is no rule or format '{name}'", hint=hint)


def _page(rule: Rule) -> str:
    fix = f"fix: {rule.fix.action} ({rule.fix.safety})" if rule.fix else "no automatic fix"
    return f"{rule.code} {rule.name} · {rule.level} · {fix} · since {rule.since}\n\n{rule.page}"
