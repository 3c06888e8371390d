"""Write the dataset card of a converted set: what it holds, where it comes from, how it was made."""

from __future__ import annotations

from pathlib import Path

import click

_MARK = "\n  - prefdata\n"


@click.command()
@click.argument("source", metavar="SRC", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write it there instead of printing it; on the hub it is README.md.",
)
@click.option("--name", metavar="OWNER/NAME", help="On the hub.  [default: OWNER/ and SRC's name]")
@click.option("--licence", metavar="ID", help="One of the hub's.  [default: that of the manifest]")
def command(source: Path, output: Path | None, name: str | None, licence: str | None) -> None:
    """Write the card of SRC, a converted set or the directory of a split one.

    Licence, source, inputs and counts come from the manifest beside SRC.

    \b
    Examples:
      prefdata card pairs.parquet
      prefdata card data --name me/my-preferences -o README.md
    """
    from prefdata.publish import card_of

    if output is not None:
        _refuse_to_overwrite(output)
    text = card_of(source, name or f"OWNER/{source.stem}", licence=licence)
    if output is None:
        click.echo(text, nl=False)
        return
    from prefdata.io.write import atomic

    with atomic(output) as temporary:
        temporary.write_text(text, encoding="utf-8")
    click.echo(f"wrote {output}")


def _refuse_to_overwrite(output: Path) -> None:
    """Raises where a file is in the way that is no card of ours.

    Raises:
        InputError: names it.
    """
    from prefdata.errors import InputError

    if output.exists() and _MARK not in output.read_text(encoding="utf-8", errors="replace"):
        raise InputError(
            f"{output}: exists, and is no dataset card of prefdata",
            hint="name another file with -o, or remove it first",
        )
