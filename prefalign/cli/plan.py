"""Say what a run will read, compute, hold and take, before it is started."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from prefalign.config import RunConfig
    from prefalign.plan import Target

_GPUS = ("H200", "H100", "A100", "4090")


@click.command()
@click.argument("run_file", metavar="RUN.yaml", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--set", "overrides", multiple=True, metavar="GROUP.KEY=VALUE", help="Override a setting."
)
@click.option(
    "--gpu", type=click.Choice(_GPUS), help="Plan for this GPU.  [default: what this machine has]"
)
@click.option("--device-memory", metavar="80GB", help="Say whether it fits.  [default: the GPU's]")
@click.option("--mfu", type=click.FloatRange(0, 1, min_open=True), default=0.4, show_default=True,
              help="Share of a GPU's peak that training reaches.")  # fmt: skip
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True
)
def command(
    run_file: Path,
    overrides: tuple[str, ...],
    gpu: str | None,
    device_memory: str | None,
    mfu: float,
    form: str,
) -> None:
    """Count steps, tokens, operations and bytes of RUN.yaml. Needs no GPU and loads no weights.

    Steps and tokens are those of the trainer's own batches; memory and time are estimates. Leaves
    the token stores in the cache, where `prefalign train` finds them.

    \b
    Examples:
      prefalign plan run.yaml --gpu H100
      prefalign plan run.yaml --set data.max_length=2048 --device-memory 80GB --format json
    """
    from prefalign.config import load_run
    from prefalign.launch import settle_environment

    settle_environment()
    warnings.filterwarnings("ignore", category=FutureWarning)  # of transformers, about itself
    config = load_run(run_file, overrides)
    target = _target(config, gpu, device_memory)
    from prefalign.plan import make_plan

    with _progress() as advance:
        plan = make_plan(config, run_file, overrides, target=target, mfu=mfu, progress=advance)
    if form == "json":
        click.echo(plan.model_dump_json(indent=2))
        return
    from prefalign.plan.text import lines

    for line in lines(plan):
        click.echo(line)


def _target(config: RunConfig, gpu: str | None, device_memory: str | None) -> Target:
    """Returns what to plan for; memory that somebody names is that of a GPU, unless the run says cpu."""
    from prefalign.plan import Target
    from prefalign.plan.hardware import GPUS, parse_bytes

    memory = parse_bytes(device_memory) if device_memory else None
    if config.hardware.device == "cpu":
        if gpu:
            raise click.UsageError("--gpu: the run says hardware.device: cpu")
        return Target("cpu", memory)
    if gpu:
        return Target(gpu, memory or GPUS[gpu].memory)
    if memory:
        return Target("GPU", memory)
    from prefalign.model import best_device

    return Target("cpu" if best_device().type == "cpu" else "GPU")


@contextmanager
def _progress() -> Iterator[Callable[[int], object]]:
    """Yields a callback for pairs that were looked at, drawn on a terminal only."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn

    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("batches: {task.completed:,} pairs"))
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("", total=None)
        yield lambda pairs: bar.update(task, advance=pairs)
