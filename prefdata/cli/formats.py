"""List the layouts that can be read, or print the page of one."""

from __future__ import annotations

import click


@click.command()
@click.argument("name", required=False)
def command(name: str | None) -> None:
    """List every layout, or print the page of layout NAME with a sample row and its traps.

    \b
    Examples:
      prefdata formats
      prefdata formats hh-rlhf
    """
    from prefdata.formats import LAYOUTS

    if name is not None:
        click.echo(LAYOUTS.get(name).page)
        return
    width = max(map(len, LAYOUTS.names()))
    for layout in LAYOUTS:
        click.echo(f"{layout.name:<{width}}  {layout.summary}")
