"""Say what is wrong with a set, row by row; changes nothing."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from prefdata.cli._options import (
    convert_options,
    reading_options,
    reading_progress,
    sources_argument,
)
from prefdata.cli._rules import rule_list
from prefdata.config import FailOn
from prefdata.errors import EXIT_FINDINGS
from prefdata.render import RENDERERS, View

if TYPE_CHECKING:
    import polars as pl

    from prefdata.conversion import Conversion

_NO_LIMIT = 2**31 - 1


@click.command()
@sources_argument
@click.option(
    "--select",
    metavar="RULES",
    callback=rule_list,
    help="Only these: names, codes or families (PD2), separated by commas.",
)
@click.option("--ignore", metavar="RULES", callback=rule_list, help="All rules but these.")
@click.option(
    "--fail-on",
    type=click.Choice(get_args(FailOn)),
    help="Exit 1 on findings of this level or worse.  [default: error]",
)
@click.option(
    "--format", "renderer", type=click.Choice(RENDERERS.names()), default="text", show_default=True
)
@click.option("--statistics", is_flag=True, help="Show counts and rates only.")
@click.option(
    "--max-per-rule",
    type=click.IntRange(0),
    default=5,
    show_default=True,
    help="Findings shown of each rule; 0 shows all. JSON always has all.",
)
@click.option("--against", metavar="FILE", help="The other split, to find shared prompts.")
@click.option("--tokenizer", metavar="MODEL", help="Check the tokens this model would see, too.")
@click.option("--max-length", type=click.IntRange(2), help="Cut the tokens like a run would.")
@reading_options
def command(
    sources: tuple[str, ...],
    select: list[str] | None,
    ignore: list[str] | None,
    fail_on: FailOn | None,
    renderer: str,
    statistics: bool,
    max_per_rule: int,
    against: str | None,
    tokenizer: str | None,
    max_length: int | None,
    **reading: Any,
) -> None:
    """Check SRC, raw or converted, against every rule.

    Exit code 0: nothing at or above --fail-on; 1: findings; 2: SRC cannot be read. Settings come
    from [tool.prefdata] of the nearest pyproject.toml, or prefdata.toml; options go before them.

    \b
    Examples:
      prefdata check votes.json --fail-on warning
      prefdata check train.parquet --against test.parquet --select split-leakage
    """
    from prefdata.config import load_settings
    from prefdata.conversion import convert
    from prefdata.lint import lint

    if max_length and not tokenizer:
        raise click.UsageError("--max-length counts the tokens of a model: add --tokenizer MODEL")
    settings = load_settings(Path.cwd())
    options = convert_options(**reading)
    with reading_progress(sources) as progress:
        conversion = convert(sources, options, progress=progress)
    other = convert([against]).pairs if against else None
    findings = lint(
        conversion.pairs,
        select=select or settings.select,
        ignore=ignore or settings.ignore,
        settings=settings.rules,
        quarantine=conversion.quarantine,
        against=other,
        tokens=_token_facts(conversion.pairs, tokenizer, max_length) if tokenizer else None,
    )
    view = _view(_converted(sources, conversion), statistics=statistics, max_per_rule=max_per_rule)
    for piece in RENDERERS.get(renderer)(findings, view):
        click.echo(piece, nl=False)
    threshold = fail_on or settings.fail_on
    if threshold != "never" and findings.reach(threshold):
        raise SystemExit(EXIT_FINDINGS)


def _token_facts(pairs: pl.DataFrame, tokenizer: str, max_length: int | None) -> pl.DataFrame:
    from prefdata.tokens import load_tokenizer, render_frame, token_facts

    with _rendering_progress(pairs.height) as advance:
        table = render_frame(load_tokenizer(tokenizer), pairs, progress=advance)
    return token_facts(table, max_length or _NO_LIMIT, "keep_start")


@contextmanager
def _rendering_progress(pairs: int) -> Iterator[Callable[[int], None]]:
    """Yields a callback for pairs done that draws a bar on stderr, on a terminal only."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("tokens", total=pairs)
        yield lambda done: bar.update(task, advance=done)


def _converted(sources: tuple[str, ...], conversion: Conversion) -> str | None:
    """Returns the source if it is one set that curate can read."""
    canonical = {entry.name for entry in conversion.layout} == {"canonical"}
    return sources[0] if canonical and len(sources) == 1 else None


def _view(converted: str | None, *, statistics: bool, max_per_rule: int) -> View:
    terminal = sys.stdout.isatty()
    return View(
        converted=converted,
        statistics=statistics,
        max_per_rule=max_per_rule,
        width=shutil.get_terminal_size().columns if terminal else None,
        colour=terminal and not os.environ.get("NO_COLOR"),
    )
