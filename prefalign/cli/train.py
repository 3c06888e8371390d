"""Train on preference pairs, in one process or in many."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from prefalign.cli._options import run_file_argument, set_option

if TYPE_CHECKING:
    from prefalign.config import RunConfig


@click.command()
@run_file_argument
@set_option
@click.option(
    "--resume/--no-resume",
    default=None,
    help="There must be a run to go on with, or there must be none.  [default: go on if there is one]",
)
@click.option("--overwrite", is_flag=True, help="Replace the run in the output directory.")
@click.argument("accelerate", nargs=-1, metavar="[-- ACCELERATE ARGS]")
def command(
    run_file: Path,
    overrides: tuple[str, ...],
    resume: bool | None,
    overwrite: bool,
    accelerate: tuple[str, ...],
) -> None:
    """Train what RUN.yaml describes, through `accelerate launch`.

    A run that was stopped or killed goes on from its newest checkpoint when the same command is given
    again. Ctrl-C and SIGTERM save one first; a second Ctrl-C kills.

    Inside a launcher this command is the worker, so that it can be launched by hand just as well. What
    follows `--` goes to `accelerate launch` and replaces the launch options that the run file implies.

    \b
    Exit codes:
      0    done, or finished already
      1    failed; the message says where the traceback is
      2    settings, data or model refused
      3    out of memory
      4    diverged: the loss is no number, or far above what it was
      130  stopped by Ctrl-C (SIGINT), with a checkpoint once training has begun
      143  stopped by SIGTERM, likewise

    \b
    Examples:
      prefalign train run.yaml --set optim.learning_rate=1e-5
      accelerate launch -m prefalign train run.yaml
    """
    from prefalign.survival.stopping import STOP, Stopped

    with STOP.heard():
        try:
            _train(run_file, overrides, accelerate, resume=resume, overwrite=overwrite)
        except Stopped as stopped:
            from prefalign.survival.outcome import before_the_first_step

            raise before_the_first_step(stopped.number) from None


def _train(
    run_file: Path,
    overrides: tuple[str, ...],
    accelerate: tuple[str, ...],
    *,
    resume: bool | None,
    overwrite: bool,
) -> None:
    from prefalign.config import load_run
    from prefalign.launch import launch
    from prefalign.launch.environment import settle_environment
    from prefalign.launchers.options import asked_in
    from prefalign.survival.started import is_worker

    settle_environment()
    if is_worker():
        from prefalign.worker import work

        work(run_file, overrides, resume=resume, overwrite=overwrite)
        return
    config = load_run(run_file, overrides)
    command = ["train", str(run_file), *(part for item in overrides for part in ("--set", item))]
    asked = asked_in(accelerate) if accelerate else None
    if asked is not None and asked.machines > 1:  # their first process sees to the rest
        command += _once(resume=resume, overwrite=overwrite)
        if asked.machine:
            _tell(f"machine {asked.machine} of {asked.machines}: machine 0 says how it goes")
    elif not _is_ready(config, run_file, accelerate, resume=resume, overwrite=overwrite):
        return
    launch(config, command, accelerate)
    click.echo(config.output.dir)


def _once(*, resume: bool | None, overwrite: bool) -> list[str]:
    """Returns the options that say what to do with an earlier start, as they were typed."""
    typed = {True: ["--resume"], False: ["--no-resume"], None: []}[resume]
    return [*typed, *(["--overwrite"] if overwrite else [])]


def _is_ready(
    config: RunConfig,
    run_file: Path,
    accelerate: tuple[str, ...],
    *,
    resume: bool | None,
    overwrite: bool,
) -> bool:
    """Refuses what can be refused before processes are started; returns whether there is anything to train."""
    from prefalign.models.without_torch import forgo_torch
    from prefalign.preflight import preflight, remarks
    from prefalign.survival.claim import claim

    if not claim(config, _tell, resume=resume, overwrite=overwrite):
        return False
    forgo_torch(config.model)
    train = preflight(config, str(run_file))
    for remark in remarks(config, train, divided=bool(accelerate)):
        _tell(remark)
    return True


def _tell(text: str) -> None:
    click.echo(text, err=True)
