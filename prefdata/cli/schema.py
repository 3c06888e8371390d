"""Print the JSON Schema of a file prefdata writes."""

from __future__ import annotations

import json

import click

from prefdata.schemas import SCHEMAS, json_schema


@click.command()
@click.argument("name", type=click.Choice(sorted(SCHEMAS)), default="pair")
def command(name: str) -> None:
    """Print the JSON Schema of NAME: a pair, a manifest or a report of diagnostics.

    \b
    Examples:
      prefdata schema
      prefdata schema manifest
    """
    click.echo(json.dumps(json_schema(name), indent=2))
