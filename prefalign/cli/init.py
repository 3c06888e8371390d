"""Write a commented run file to start from."""

from __future__ import annotations

from pathlib import Path

import click

from prefalign.recipes import recipe, recipes
from prefdata.errors import InputError


@click.command()
@click.argument("name", metavar="[RECIPE]", default="dpo")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("run.yaml"),
    show_default=True,
    help="Where to write it.",
)
@click.option("--list", "list_recipes", is_flag=True, help="List the recipes and write nothing.")
@click.option("--force", is_flag=True, help="Overwrite the file if it is there.")
def command(name: str, output: Path, *, list_recipes: bool, force: bool) -> None:
    """Copy RECIPE (dpo if none is named) to a run file of your own.

    \b
    Examples:
      prefalign init --list
      prefalign init orpo-lora -o run.yaml
    """
    if list_recipes:
        width = max(map(len, recipes()))
        for recipe_name, purpose in recipes().items():
            click.echo(f"{recipe_name:<{width}}  {purpose}")
        return
    text = recipe(name)
    if output.exists() and not force:
        raise InputError(f"{output}: is there already", hint="name another file, or add --force")
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{output}: cannot be written: {error.strerror}") from error
    click.echo(f"wrote {output}: set data.train, model.name and output.dir in it, then run")
    click.echo(f"  prefalign validate {output}")
