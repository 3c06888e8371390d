"""Turn what is measured in a set into settings of a training, with the reasons."""

from __future__ import annotations

import json
import shlex
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from prefdata.cli._options import (
    convert_options,
    form_option,
    reading_options,
    reading_progress,
    sources_argument,
)
from prefdata.cli._running import rule_progress

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prefdata.advice import Advice

_WIDTH = 100
_INDENT = "  "


@click.command()
@sources_argument
@click.option(
    "--scores",
    multiple=True,
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="What a trained model says about each pair: the pairs.parquet of a run of prefalign. May be"
    " given several times.",
)
@form_option
@reading_options
def command(sources: tuple[str, ...], scores: tuple[Path, ...], form: str, **reading: Any) -> None:
    """Say which settings of a training follow from SRC, and from what was measured in it.

    Each piece of advice stands alone: train once plainly and once with it, and compare the runs. Paste
    its line over the method of a run file, or give its options to `prefalign train`.

    \b
    Examples:
      prefdata advise pairs.parquet
      prefdata advise pairs.parquet --scores out/dpo/pairs.parquet --format json
    """
    import polars as pl

    from prefdata.advice import advise
    from prefdata.checks import Evidence, indexed
    from prefdata.conversion import convert
    from prefdata.scores import read_scores
    from prefdata.surroundings import read_ties

    scored = read_scores(*scores) if scores else None
    with reading_progress(sources) as progress:
        conversion = convert(sources, convert_options(**reading), progress=progress)
    evidence = Evidence(
        pairs=indexed(conversion.pairs),
        ties=pl.concat([conversion.ties, *map(read_ties, sources)]),
        scores=scored,
    )
    with rule_progress() as tell:
        said = list(advise(evidence, tell))
    if form == "json":
        click.echo(json.dumps([advice.model_dump(mode="json") for advice in said], indent=2))
        return
    for line in (line for advice in said for line in _lines(advice)):
        click.echo(line)


def _lines(advice: Advice) -> Iterator[str]:
    yield from _wrapped(f"{advice.topic}: {advice.measured}", "")
    if not advice.settings:
        return
    yield from _wrapped(f"{advice.reason} ({advice.source})", _INDENT)
    yield f"{_INDENT}{_in_run_file(advice.settings)}"
    yield f"{_INDENT}{' '.join(map(_setting, advice.settings.items()))}"


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=indent, subsequent_indent=_INDENT)


def _in_run_file(settings: dict[str, Any]) -> str:
    """Returns DPO's settings as one line of a run file."""
    import yaml

    method = {key.removeprefix("method."): value for key, value in settings.items()}
    line = {"method": {"name": "dpo", **method}}
    return yaml.safe_dump(line, default_flow_style=True, sort_keys=False, width=_WIDTH)[1:-2]


def _setting(item: tuple[str, Any]) -> str:
    """Returns a setting as `prefalign train` takes it on the command line."""
    key, value = item
    written = value if isinstance(value, str) else json.dumps(value)
    return f"--set {shlex.quote(f'{key}={written}')}"
