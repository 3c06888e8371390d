"""Compare trained runs with each other and with the untouched model."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from prefalign.cli._options import settle_libraries
from prefdata.cli._options import form_option

if TYPE_CHECKING:
    from rich.table import Table

    from prefalign.comparison.record import Comparison

_UNWRAPPED = 400  # columns
_SHOWN, _JUDGED = 4, 64  # samples, unless a number is asked for


@click.command()
@click.argument(
    "runs",
    nargs=-1,
    required=True,
    metavar="RUN...",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
)
@click.option("--pairs", help="Held-out pairs to compare on instead of the runs' own.")
@form_option
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Write a page too.")
@click.option(
    "--samples",
    type=click.IntRange(0, 1000),
    help="Held-out prompts each model answers, for the page and the judges; 4, or 64 where there are any.",
)
@click.option(
    "--reward-model",
    metavar="M",
    help="A sequence classifier with one label: win rates by its scores of the samples.",
)
@click.option(
    "--judge",
    metavar="M",
    help="A chat model: win rates by its choice between every two samples, asked in both orders.",
)
def command(
    runs: tuple[Path, ...],
    pairs: str | None,
    form: str,
    html: Path | None,
    samples: int | None,
    reward_model: str | None,
    judge: str | None,
) -> None:
    """Compare RUN directories on the same held-out tokens, with 95 % intervals.

    The untouched model is the first column: relative to itself it orders half of the pairs right, by
    definition. Runs whose data, tokens, base model or max_length differ are refused.

    \b
    Examples:
      prefalign compare out/dpo out/orpo
      prefalign compare out/dpo out/orpo --pairs test.parquet --html page.html
      prefalign compare out/dpo out/orpo --judge Qwen/Qwen2.5-7B-Instruct --samples 200
    """
    judged = bool(reward_model or judge)
    if judged and samples == 0:
        raise click.BadParameter("a judge needs samples", param_hint="'--samples'")
    from prefalign.compare import compare
    from prefalign.progress import Console

    settle_libraries()
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")  # leaves the terminal to ours
    shown = html is not None or form == "json"
    comparison = compare(
        list(runs),
        pairs=pairs,
        samples=_sample_count(samples, judged=judged, shown=shown),
        reward_model=reward_model,
        judge=judge,
        command=shlex.join(["prefalign", *sys.argv[1:]]),
        reporter=Console(),
    )
    if html is not None:
        write_page(comparison, html)
    if form == "json":
        click.echo(comparison.model_dump_json(indent=2))
    else:
        print_table(comparison)


def _sample_count(asked: int | None, *, judged: bool, shown: bool) -> int:
    """Returns how many prompts each model completes: none where nobody would see it."""
    if not judged and not shown:
        return 0
    if asked is not None:
        return asked
    return _JUDGED if judged else _SHOWN


def write_page(comparison: Comparison, path: Path) -> None:
    """Writes the HTML page, whole or not at all."""
    from prefalign.report.page import render
    from prefdata.io.write import atomic

    with atomic(path) as temporary:
        temporary.write_text(render(comparison), encoding="utf-8")
    click.echo(f"wrote {path}", err=True)


def print_table(comparison: Comparison) -> None:
    """Prints all numbers and under them the verdict: drawn on a terminal, else plain lines."""
    from rich.console import Console

    from prefalign.report import words

    said = [*words.verdict(comparison), *words.opinions(comparison), *comparison.remarks]
    if sys.stdout.isatty():
        console = Console(highlight=False)
        needed = Console(width=_UNWRAPPED).measure(_table(comparison)).maximum
        console.print(_table(comparison, broken=needed > console.width))
        for line in said:
            console.print(line, markup=False)
        return
    plain = Console(width=_UNWRAPPED, color_system=None)
    with plain.capture() as captured:
        plain.print(_table(comparison, drawn=False))
    for line in [*captured.get().splitlines(), *said]:
        click.echo(line.rstrip())


def _table(comparison: Comparison, *, drawn: bool = True, broken: bool = False) -> Table:
    """Returns the table; `broken` puts intervals under their values."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from prefalign.report.table import groups

    held_out = comparison.held_out
    prompts = "" if held_out.prompts is None else f" from {held_out.prompts:,} prompts"
    title = f"{held_out.pairs:,} held-out pairs{prompts}, 95 % intervals"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD if drawn else None)
    table.add_column("", no_wrap=True)
    for run in comparison.runs:
        table.add_column(Text(run.name), justify="right")
    for group in groups(comparison):
        table.add_row(Text(group.title, style="bold"))
        for row in group.rows:
            cells = (Text(cell.replace(" (", "\n(") if broken else cell) for cell in row.cells)
            table.add_row(Text(f"  {row.label}"), *cells, style="bold" if row.main else "")
    return table
