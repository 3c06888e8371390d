"""Train a small grid of settings on the same tokens, and draw what they do."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from prefalign.sweep.record import Sweep


@click.command()
@click.argument(
    "run_files",
    nargs=-1,
    required=True,
    metavar="RUN.yaml...",
    type=click.Path(dir_okay=False, path_type=Path),
)
@click.option(
    "--over",
    "axes",
    multiple=True,
    metavar="GROUP.KEY=VALUE,VALUE",
    help="A setting and its values. May be given several times: all combinations are run.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="A directory for the runs, sweep.json and sweep.html.",
)
def command(run_files: tuple[Path, ...], axes: tuple[str, ...], output: Path | None) -> None:
    """Train every combination of settings, starting from each RUN.yaml, and compare them.

    Tokens and reference log-probs are computed once. A setting of a method is varied only where the
    method has it: `beta` is DPO's, `lambda_` ORPO's. Called again, it goes on where it stopped. Given
    a sweep.json alone, it draws the page of that sweep again, for which nothing else is needed.

    \b
    Examples:
      prefalign sweep dpo.yaml --over method.beta=0.05,0.1,0.3 -o out/betas
      prefalign sweep dpo.yaml orpo.yaml --over method.beta=0.05,0.1 --over method.lambda_=0.1,1 \\
        --over optim.learning_rate=5e-6,2e-5 -o out/sweep
      prefalign sweep out/sweep/sweep.json
    """
    if len(run_files) == 1 and run_files[0].suffix == ".json":
        _draw_again(run_files[0], plain=not axes and output is None)
        return
    if not axes or output is None:
        missing = "--over" if not axes else "-o"
        raise click.UsageError(f"Missing option '{missing}'.", click.get_current_context())
    from prefalign.launch.environment import settle_environment
    from prefalign.sweep.grid import grid, parse_axis

    settle_environment()
    trials = grid(run_files, [parse_axis(axis) for axis in axes], output)
    from prefalign.sweep.run import sweep

    found = sweep(
        trials,
        lambda line: click.echo(line, err=True),
        command=shlex.join(["prefalign", *sys.argv[1:]]),
    )
    from prefalign.sweep.record import SWEEP_FILE

    _write(output / SWEEP_FILE, found.model_dump_json(indent=2) + "\n")
    _show(found, output)


def _draw_again(record: Path, *, plain: bool) -> None:
    """Draws the page of a sweep.json beside it."""
    from pydantic import ValidationError

    from prefalign.sweep.record import Sweep
    from prefdata.errors import InputError

    if not plain:
        raise click.UsageError("A sweep.json is drawn as it is: leave out --over and -o.")
    try:
        found = Sweep.model_validate_json(record.read_bytes())
    except OSError as error:
        raise InputError(f"{record}: cannot be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise InputError(
            f"{record}: no sweep: {where}: {first['msg']}", hint="give a sweep.json"
        ) from error
    _show(found, record.parent)


def _show(found: Sweep, directory: Path) -> None:
    """Writes the page and prints the table and the verdict."""
    from prefalign.report.sweep_page import render_sweep
    from prefalign.report.sweep_words import lines
    from prefalign.sweep.record import SWEEP_PAGE

    _write(directory / SWEEP_PAGE, render_sweep(found))
    for line in lines(found):
        click.echo(line)


def _write(path: Path, text: str) -> None:
    from prefdata.io.write import atomic

    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    click.echo(f"wrote {path}", err=True)
