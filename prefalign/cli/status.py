"""Show how far a run is: running, finished, stopped or dead."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print everything as one JSON object.")
def command(run: Path, *, as_json: bool) -> None:
    """Read the files of the run directory RUN, and whether its processes are alive.

    Steps, speed and time left, the last metrics of training and of held-out pairs, the newest complete
    checkpoint, and the command line that goes on with a run which has not come to its end.

    \b
    Examples:
      prefalign status out/dpo
      prefalign status out/dpo --json
    """
    from prefalign.status import status
    from prefalign.status.text import lines

    found = status(run)
    if as_json:
        click.echo(found.model_dump_json(indent=2))
        return
    for line in lines(found):
        click.echo(line)
