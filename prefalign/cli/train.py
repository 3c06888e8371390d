"""Train on preference pairs, in one process or in many."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("run_file", metavar="RUN.yaml", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Override a setting of the run file.",
)
@click.option("--resume", is_flag=True, help="Go on from the newest checkpoint.")
@click.option("--overwrite", is_flag=True, help="Replace the run in the output directory.")
@click.argument("accelerate", nargs=-1, metavar="[-- ACCELERATE ARGS]")
def command(
    run_file: Path,
    settings: tuple[str, ...],
    resume: bool,
    overwrite: bool,
    accelerate: tuple[str, ...],
) -> None:
    """Train what RUN.yaml describes, through `accelerate launch`.

    Inside a launcher this command is the worker, so that it can be launched by hand just as well. What
    follows `--` goes to `accelerate launch` and replaces the launch options that the run file implies.

    \b
    Exit codes: 0 done, 1 failed, 2 settings or data, 3 out of memory, 4 diverged, 130 interrupted.

    \b
    Examples:
      prefalign train run.yaml --set optim.learning_rate=1e-5
      accelerate launch -m prefalign train run.yaml
    """
    from prefalign.config import load_run
    from prefalign.launch import (
        clear,
        is_finished,
        is_worker,
        launch,
        settle_environment,
    )
    from prefalign.preflight import preflight, remarks
    from prefalign.without_torch import torch_unseen

    settle_environment()
    config = load_run(run_file, settings)
    if resume and is_finished(config):
        click.echo(f"{config.output.dir}: finished already", err=True)
        return
    if is_worker():
        from prefalign.worker import work

        work(config, str(run_file), resume=resume)
        return
    if overwrite:
        clear(config.output.dir)
    with torch_unseen(config.model):
        train = preflight(config, str(run_file), resume=resume)
        for remark in remarks(config, train, divided=bool(accelerate)):
            click.echo(remark, err=True)
    overrides = [part for setting in settings for part in ("--set", setting)]
    again = ["--resume"] if resume else []
    launch(config, ["train", str(run_file), *overrides, *again], accelerate)
    click.echo(config.output.dir)
