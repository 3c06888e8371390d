"""Upload a trained model to the Hugging Face hub, with its card."""

from __future__ import annotations

from pathlib import Path

import click

from prefdata.cli.push import OWNER_NAME


@click.command()
@click.argument("source", metavar="RUN|MODEL", type=click.Path(path_type=Path))
@click.argument("name", metavar="OWNER/NAME")
@click.option("--private", is_flag=True, help="Make a new model private.")
@click.option("--dry-run", is_flag=True, help="List what would be uploaded, and upload nothing.")
def command(source: Path, name: str, *, private: bool, dry_run: bool) -> None:
    """Upload the model of a finished RUN, or what `prefalign merge` wrote, as OWNER/NAME on the hub.

    The card names the method, the data with its manifest, the base model and the held-out metrics.
    Weights of an earlier upload do not stay. Adapters of a model that is not on the hub are refused.

    \b
    Examples:
      prefalign push out/dpo me/my-model --private
      prefalign push merged me/my-model --dry-run
    """
    from prefalign.publishing.hub import model_folder, push

    if not OWNER_NAME.fullmatch(name):
        raise click.UsageError(f"'{name}' is not OWNER/NAME")
    if dry_run:
        for path in sorted(model_folder(source).iterdir()):
            click.echo(path)
        return
    click.echo(push(source, name, private=private))
