"""Upload a converted set to the Hugging Face hub, with a dataset card."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import click

OWNER_NAME = re.compile(r"[\w.-]+/[\w.-]+")


@click.command()
@click.argument("source", metavar="SRC", type=click.Path(path_type=Path))
@click.argument("name", metavar="OWNER/NAME")
@click.option("--private", is_flag=True, help="Make a new dataset private.")
@click.option(
    "--licence",
    metavar="ID",
    help="One of the hub's, e.g. cc-by-4.0.  [default: that of the manifest, or a placeholder]",
)
@click.option(
    "--dry-run",
    "folder",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write what would be uploaded to this new folder, and upload nothing.",
)
def command(
    source: Path, name: str, *, private: bool, licence: str | None, folder: Path | None
) -> None:
    """Upload SRC, a converted set or the directory of a split one, as the hub dataset OWNER/NAME.

    The card says what the columns mean, how many pairs come from which source, and, out of the
    manifest beside SRC, how the set was made. Splits of an earlier upload do not stay.

    \b
    Examples:
      prefdata push pairs.parquet me/my-preferences --private
      prefdata push data me/my-preferences --dry-run upload
    """
    from prefdata.publish import prepare, upload

    if not OWNER_NAME.fullmatch(name):
        raise click.UsageError(f"'{name}' is not OWNER/NAME")
    if folder is not None:
        for path in prepare(source, name, folder, licence=licence):
            click.echo(path)
        return
    with tempfile.TemporaryDirectory(prefix="prefdata-push-") as temporary:
        prepare(source, name, Path(temporary), licence=licence)
        click.echo(upload(Path(temporary), name, private=private))
