"""Write a commented run file, or a config for `accelerate launch`, to start from."""

from __future__ import annotations

from pathlib import Path

import click
import yaml

from prefalign.launchers import launcher, launchers
from prefalign.recipes import recipe, recipes
from prefdata.errors import InputError


@click.command()
@click.argument("name", metavar="[RECIPE]", default="dpo")
@click.option(
    "--launcher",
    "launcher_name",
    metavar="NAME",
    help="Write this config for `accelerate launch --config_file` instead of a run file.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write it.  [default: run.yaml, or NAME.yaml of a launcher]",
)
@click.option(
    "--list", "list_all", is_flag=True, help="List recipes and launchers, and write nothing."
)
@click.option("--force", is_flag=True, help="Overwrite the file if it is there.")
def command(
    name: str, launcher_name: str | None, output: Path | None, *, list_all: bool, force: bool
) -> None:
    """Copy RECIPE (dpo if none is named) to a run file of your own.

    \b
    Examples:
      prefalign init --list
      prefalign init orpo-lora -o run.yaml
      prefalign init --launcher fsdp2
    """
    if list_all:
        _list()
    elif launcher_name is not None:
        path, text = output or Path(f"{launcher_name}.yaml"), launcher(launcher_name)
        _write(path, text, force=force)
        _say_next(path, machines=yaml.safe_load(text)["num_machines"])
    else:
        path = output or Path("run.yaml")
        _write(path, recipe(name), force=force)
        click.echo(f"wrote {path}: set data.train, model.name and output.dir in it, then run")
        click.echo(f"  prefalign validate {path}")


def _say_next(path: Path, *, machines: int) -> None:
    """Says what to do with a launcher's config."""
    line = f"  prefalign train run.yaml -- --config_file {path}"
    if machines == 1:
        click.echo(f"wrote {path}: set num_processes in it to the GPUs there are, then run")
        click.echo(line)
        return
    click.echo(
        f"wrote {path}: set num_machines and, to the GPUs of all of them, num_processes; then run"
    )
    click.echo("on each machine, with a number from 0 of its own and the address of number 0,")
    click.echo(f"{line} --machine_rank 0 --main_process_ip ADDRESS")


def _list() -> None:
    rows = [
        *recipes().items(),
        *((f"--launcher {name}", text) for name, text in launchers().items()),
    ]
    width = max(len(name) for name, _ in rows)
    for name, purpose in rows:
        click.echo(f"{name:<{width}}  {purpose}")


def _write(path: Path, text: str, *, force: bool) -> None:
    if path.exists() and not force:
        raise InputError(f"{path}: is there already", hint="name another file, or add --force")
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error
