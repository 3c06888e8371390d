"""Show what a trainer sees of each pair: its tokens, what is cut, where two trainers differ."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from prefdata.cli._options import (
    convert_options,
    reading_options,
    reading_progress,
    sources_argument,
)
from prefdata.cli._rows import coloured, row_options, selected, write
from prefdata.errors import EXIT_FINDINGS

if TYPE_CHECKING:
    import polars as pl
    from transformers import PreTrainedTokenizerBase

    from prefdata.render.tokens import Run, TokenView
    from prefdata.tokens.trainers import Opened

_OURS = "prefalign"


@click.command()
@sources_argument
@click.option("--tokenizer", required=True, metavar="MODEL", help="Directory, hub name or GGUF.")
@click.option(
    "--chat-template",
    metavar="FILE",
    help="Render with this Jinja template instead, or with that of a model, chatml or tulu.",
)
@click.option("--max-length", type=click.IntRange(2), help="Tokens of prompt + completion.")
@click.option(
    "--truncation",
    type=click.Choice(["drop", "keep_start", "keep_end"]),
    help="What happens to longer ones.  [default: what the trainer does]",
)
@click.option(
    "--trainer",
    default=_OURS,
    show_default=True,
    metavar="NAME",
    help="prefalign, trl-dpo@1.16, trl-orpo@1.16, axolotl:TYPE or llamafactory:TEMPLATE.",
)
@click.option(
    "--diff-trainers",
    "compared",
    metavar="A,B",
    help="Name the rows on which two trainers disagree, and how; -n of them are listed in full.",
)
@row_options
@reading_options
def command(
    sources: tuple[str, ...],
    tokenizer: str,
    chat_template: str | None,
    max_length: int | None,
    truncation: str | None,
    trainer: str,
    compared: str | None,
    ids: str | None,
    rows: str | None,
    number: int,
    form: str,
    full: bool,
    output: Path | None,
    **reading: Any,
) -> None:
    """Show the pairs of SRC as a trainer reads them: decoded tokens, what is cut, what differs.

    Exit code 1 with --diff-trainers: two trainers disagree on at least one row.

    \b
    Examples:
      prefdata render votes.json --tokenizer MODEL --max-length 512
      prefdata render votes.json --tokenizer MODEL --diff-trainers trl-dpo@1.16,trl-orpo@1.16
    """
    from prefdata.conversion import convert
    from prefdata.tokens import load_tokenizer
    from prefdata.tokens.trainers import find_trainer

    options = convert_options(**reading)
    settings: dict[str, Any] = {"max_length": max_length, "truncation": truncation}
    names = _two(compared) if compared else [trainer]
    for name in names:
        find_trainer(name, **settings)  # before anything that takes seconds
    with reading_progress(sources) as progress:
        pairs = convert(sources, options, progress=progress).pairs
    wanted = selected(pairs, ids, rows)
    loaded = load_tokenizer(tokenizer, chat_template=chat_template)
    opened = _opened(names, loaded, settings)
    run = _run(" ".join(sources), tokenizer, opened)
    if compared:
        _compare(run, loaded, opened, wanted, number, form, output)
        return
    shown = wanted if ids or rows else wanted.head(number)
    show(run, loaded, opened[0], shown, pairs.height, form=form, full=full, output=output)


def _two(compared: str) -> list[str]:
    names = [name.strip() for name in compared.split(",")]
    if len(names) != 2 or not all(names):
        raise click.UsageError(f"--diff-trainers: '{compared}' is not A,B")
    return names


def _opened(
    names: list[str], tokenizer: PreTrainedTokenizerBase, settings: dict[str, Any]
) -> list[Opened]:
    """Returns the trainers; ours, with a note, for one whose library is not installed."""
    from prefdata.tokens.trainers import MissingLibrary, open_trainer

    try:
        return [open_trainer(name, tokenizer, **settings) for name in names]
    except MissingLibrary as error:
        if len(names) > 1:
            raise
        click.echo(f"note: {error.message}; this is {_OURS} instead", err=True)
        click.echo(f"hint: {error.hint}", err=True)
        return [open_trainer(_OURS, tokenizer, **settings)]


def _run(source: str, tokenizer: str, opened: list[Opened]) -> Run:
    from prefdata.render.tokens import Run

    return Run(
        source=source,
        tokenizer=tokenizer,
        trainers=[one.name for one in opened],
        max_length=opened[0].settings.max_length,
        truncation=[one.settings.truncation for one in opened],
    )


def show(
    run: Run,
    tokenizer: PreTrainedTokenizerBase,
    trainer: Opened,
    pairs: pl.DataFrame,
    total: int,
    *,
    form: str,
    full: bool,
    output: Path | None,
) -> None:
    """Writes rows as a trainer sees them; `total` is the number of all that there are."""
    from prefdata.cli._running import rendering_progress
    from prefdata.render.tokens import TokenView
    from prefdata.render.tokens.view import pair_view

    found = []
    with rendering_progress(pairs.height) as progress:
        for row in pairs.iter_rows(named=True):
            found.append(pair_view(tokenizer, trainer, row))
            progress(1)
    write(_shown(TokenView(run, total, found), form, full=full, output=output), output)


def _shown(view: TokenView, form: str, *, full: bool, output: Path | None) -> str:
    if form == "json":
        from prefdata.render.tokens.json import as_json

        return as_json(view)
    if form == "html":
        from prefdata.render.tokens.page import as_page

        return as_page(view, full=full)
    from prefdata.render.tokens.text import as_text

    return as_text(view, colour=coloured(output), full=full)


def _compare(
    run: Run,
    tokenizer: PreTrainedTokenizerBase,
    opened: list[Opened],
    pairs: pl.DataFrame,
    number: int,
    form: str,
    output: Path | None,
) -> None:
    from prefdata.cli._running import rendering_progress
    from prefdata.render.tokens.view import comparison_view
    from prefdata.tokens.disagreement import disagreements

    rows = pairs.iter_rows(named=True)
    with rendering_progress(pairs.height) as progress:
        found = disagreements(opened[0], opened[1], tokenizer, rows, progress)
        view = comparison_view(run, pairs.height, found)
    if form == "json":
        from prefdata.render.tokens.json import as_json

        text = as_json(view)
    elif form == "html":
        from prefdata.render.tokens.page import comparison_page

        text = comparison_page(view, number)
    else:
        from prefdata.render.tokens.text import comparison_text

        text = comparison_text(view, number, colour=coloured(output))
    write(text, output)
    if view.rows:
        click.get_current_context().exit(EXIT_FINDINGS)
