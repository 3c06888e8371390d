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
    required=True,
    metavar="GROUP.KEY=VALUE,VALUE",
    help="A setting and its values. May be given several times: all combinations are run.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="A directory for the runs, sweep.json and sweep.html.",
)
def command(run_files: tuple[Path, ...], axes: tuple[str, ...], output: Path) -> None:
    """Train every combination of settings, starting from each RUN.yaml, and compare them.

    Tokens and reference log-probs are computed once. A setting of a method is varied only where the
    method has it: `beta` is DPO's, `lambda_` ORPO's. Called again, it goes on where it stopped.

    \b
    Examples:
      prefalign sweep dpo.yaml --over method.beta=0.05,0.1,0.3 -o out/betas
      prefalign sweep dpo.yaml orpo.yaml --over method.beta=0.05,0.1 --over method.lambda_=0.1,1 \\
        --over optim.learning_rate=5e-6,2e-5 -o out/sweep
    """
    from prefalign.launch import settle_environment
    from prefalign.sweep.grid import grid, parse_axis

    settle_environment()
    trials = grid(run_files, [parse_axis(axis) for axis in axes], output)
    from prefalign.sweep.run import sweep

    found = sweep(
        trials,
        lambda line: click.echo(line, err=True),
        command=shlex.join(["prefalign", *sys.argv[1:]]),
    )
    _write(found, output)
    from prefalign.report.sweep_words import lines

    for line in lines(found):
        click.echo(line)


def _write(found: Sweep, output: Path) -> None:
    from prefalign.report.sweep_page import render_sweep
    from prefalign.sweep.record import SWEEP_FILE, SWEEP_PAGE
    from prefdata.io.write import atomic

    for name, text in (
        (SWEEP_FILE, found.model_dump_json(indent=2) + "\n"),
        (SWEEP_PAGE, render_sweep(found)),
    ):
        with atomic(output / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    click.echo(f"wrote {output / SWEEP_FILE}, {output / SWEEP_PAGE}", err=True)
