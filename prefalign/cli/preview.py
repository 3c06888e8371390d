"""Show pairs of a run as it will train on them: tokens, what is cut, chosen against rejected."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from prefalign.cli._options import run_file_argument, set_option
from prefalign.config import RunConfig, load_run
from prefdata.cli._rows import row_options, selected
from prefdata.cli.render import show
from prefdata.errors import ConfigError

if TYPE_CHECKING:
    from prefdata.render.tokens import Run
    from prefdata.tokens.trainers import Opened


@click.command()
@run_file_argument
@set_option
@click.option("--test", is_flag=True, help="Show pairs of data.test.")
@row_options
def command(
    run_file: Path,
    overrides: tuple[str, ...],
    test: bool,
    ids: str | None,
    rows: str | None,
    number: int,
    form: str,
    full: bool,
    output: Path | None,
) -> None:
    """Show pairs of RUN.yaml as it will train on them. Loads its tokenizer, not its model.

    The same view as `prefdata render`, with the data, max_length and truncation of the run.

    \b
    Examples:
      prefalign preview run.yaml -n 3
      prefalign preview run.yaml --test --set data.max_length=512 -o preview.html
    """
    from prefalign.models.tokenizer import tokenizer_of
    from prefdata import read_pairs
    from prefdata.tokens.trainers import open_trainer

    run = load_run(run_file, overrides)
    source = _source(run, str(run_file), test=test)
    pairs = read_pairs(source)
    tokenizer = tokenizer_of(run.model)
    trainer = open_trainer(
        "prefalign",
        tokenizer,
        max_length=run.data.max_length,
        truncation=run.data.truncation,
    )
    wanted = selected(pairs, ids, rows)
    shown = wanted if ids or rows else wanted.head(number)
    about = _about(run, source, trainer)
    show(about, tokenizer, trainer, shown, pairs.height, form=form, full=full, output=output)


def _source(run: RunConfig, run_file: str, *, test: bool) -> str:
    if not test:
        return run.data.train
    if run.data.test is None:
        raise ConfigError(["data.test: not set, so there is nothing to show"], source=run_file)
    return run.data.test


def _about(run: RunConfig, source: str, trainer: Opened) -> Run:
    from prefdata.render.tokens import Run

    return Run(
        source=source,
        tokenizer=run.model.name,
        trainers=[trainer.name],
        max_length=run.data.max_length,
        truncation=[run.data.truncation],
        method=_method(run),
    )


def _method(run: RunConfig) -> str:
    """Returns the method with the settings that differ from its defaults."""
    settings = run.method.model_dump(mode="json", exclude_defaults=True, exclude={"name"})
    return " ".join([run.method.name, *(f"{key} {value}" for key, value in settings.items())])
