"""Say what a run will read, compute, hold and take, before it is started."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from prefalign.cli._options import run_file_argument, set_option, settle_libraries
from prefdata.cli._options import form_option

if TYPE_CHECKING:
    from prefalign.config import RunConfig
    from prefalign.plan import Target
    from prefalign.progress import Reporter

_GPUS = ("H200", "H100", "A100", "4090")


@click.command()
@run_file_argument
@set_option
@click.option(
    "--gpu", type=click.Choice(_GPUS), help="Plan for this GPU.  [default: what this machine has]"
)
@click.option("--device-memory", metavar="80GB", help="Say whether it fits.  [default: the GPU's]")
@click.option("--mfu", type=click.FloatRange(0, 1, min_open=True), default=0.4, show_default=True,
              help="Share of a GPU's peak that training reaches.")  # fmt: skip
@form_option
@click.argument("accelerate", nargs=-1, metavar="[-- ACCELERATE ARGS]")
def command(
    run_file: Path,
    accelerate: tuple[str, ...],
    overrides: tuple[str, ...],
    gpu: str | None,
    device_memory: str | None,
    mfu: float,
    form: str,
) -> None:
    """Count steps, tokens, operations and bytes of RUN.yaml. Needs no GPU and loads no weights.

    Steps and tokens are those of the trainer's own batches; memory and time are estimates. Leaves
    the token stores in the cache, where `prefalign train` finds them. What follows `--` is what
    `accelerate launch` would get; for several machines the plan has a launch line for each.

    \b
    Examples:
      prefalign plan run.yaml --gpu H100
      prefalign plan run.yaml --set data.max_length=2048 --device-memory 80GB --format json
      prefalign plan run.yaml --gpu H200 -- --config_file multi_node.yaml --main_process_ip 10.0.0.7
    """
    from prefalign.config import load_run
    from prefalign.preflight import check_settings

    settle_libraries()
    config = load_run(run_file, overrides)
    check_settings(config, str(run_file))  # files that are missing, as `validate` says it
    target = _target(config, gpu, device_memory)
    from prefalign.plan import make_plan

    with closing(_reporter()) as reporter:
        plan = make_plan(
            config,
            run_file,
            overrides,
            launcher=accelerate,
            target=target,
            mfu=mfu,
            reporter=reporter,
        )
    if form == "json":
        click.echo(plan.model_dump_json(indent=2))
        return
    from prefalign.plan.text import lines

    for line in lines(plan):
        click.echo(line)


def _target(config: RunConfig, gpu: str | None, device_memory: str | None) -> Target:
    """Returns what to plan for; memory that somebody names is that of a GPU, unless the run says cpu."""
    from prefalign.models.loading import best_device
    from prefalign.plan import Target
    from prefalign.plan.hardware import GPUS, parse_bytes

    memory = parse_bytes(device_memory) if device_memory else None
    if config.hardware.device == "cpu":
        if gpu:
            raise click.UsageError("--gpu: the run says hardware.device: cpu")
        return Target("cpu", memory)
    gpus = config.hardware.num_processes or 1
    if gpu:
        return Target(gpu, memory or GPUS[gpu].memory, gpus)
    if best_device().type != "cpu":
        return Target("GPU", memory)
    return Target("GPU", memory, gpus) if memory else Target("cpu")


def _reporter() -> Reporter:
    """Returns who hears of progress: a terminal, or nobody."""
    from prefalign.progress import Console, Silence

    return Console() if sys.stderr.isatty() else Silence()
