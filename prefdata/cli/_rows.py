"""Which rows of a set a command shows, and where it writes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from prefdata.errors import InputError

if TYPE_CHECKING:
    import polars as pl

F = TypeVar("F", bound=Callable[..., Any])

_FORMS = {".html": "html", ".htm": "html", ".json": "json"}
_SHOWN = 5  # missing ids or rows named in a message


def row_options(command: F) -> F:
    """Adds --ids, --rows, -n, --format, --full and -o; see `selected` and `write`."""
    for option in reversed(
        [
            click.option("--ids", metavar="ID,...", help="Show these pairs; beginnings will do."),
            click.option("--rows", metavar="N,N-N,...", help="Show what these rows became."),
            click.option(
                "-n", "number", default=3, show_default=True, type=click.IntRange(0), help="Pairs."
            ),
            click.option(
                "--format",
                "form",
                type=click.Choice(["text", "html", "json"]),
                callback=_form,
                help="[default: by the ending of -o, else text]",
            ),
            click.option("--full", is_flag=True, help="Show long texts whole."),
            click.option(
                "-o",
                "--output",
                type=click.Path(dir_okay=False, path_type=Path),
                metavar="FILE",
                callback=_in_a_directory,
                is_eager=True,  # --format asks for it
                help="Write to FILE instead of stdout: a page if it is called .html.",
            ),
        ]
    ):
        command = option(command)
    return command


def _in_a_directory(
    _context: click.Context, _option: click.Parameter, output: Path | None
) -> Path | None:
    """Refuses what could not be written in the end, before anything that takes seconds."""
    if output is not None and not output.parent.is_dir():
        raise click.BadParameter(f"{output}: there is no directory {output.parent}")
    return output


def _form(context: click.Context, _option: click.Parameter, form: str | None) -> str:
    output = context.params.get("output")
    return form or _FORMS.get(output.suffix if output else "", "text")


def selected(pairs: pl.DataFrame, ids: str | None, rows: str | None) -> pl.DataFrame:
    """Returns the pairs that --ids and --rows name; all if neither is given.

    Raises:
        InputError: one of them names nothing.
    """
    import polars as pl

    if ids is None and rows is None:
        return pairs
    wanted = pl.lit(value=False)
    if ids is not None:
        prefixes = [found for one in ids.split(",") if (found := one.strip())]
        for prefix in prefixes:
            wanted |= pl.col("id").str.starts_with(prefix)
        there = pairs["id"].to_list()
        missing = [p for p in prefixes if not any(one.startswith(p) for one in there)]
        _refuse(missing, "pair", "id", "prefdata show SRC prints them")
    if rows is not None:
        numbers = set(_numbers(rows))
        wanted |= pl.col("row").is_in(sorted(numbers))
        missing = [str(one) for one in sorted(numbers - set(pairs["row"].to_list()))]
        _refuse(missing, "pair", "row", "prefdata show SRC --row N says what became of a row")
    return pairs.filter(wanted)


def _refuse(missing: list[str], noun: str, key: str, hint: str) -> None:
    if missing:
        more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        named = ", ".join(missing[:_SHOWN])
        raise InputError(f"there is no {noun} with {key} {named}{more}", hint=hint)


def _numbers(rows: str) -> Iterator[int]:
    for item in rows.split(","):
        first, dash, last = item.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise click.UsageError(f"--rows: '{item}' is not N or N-N")
        yield from range(int(first), int(last or first) + 1)


def write(text: str, output: Path | None) -> None:
    """Writes to a file, or to stdout.

    Raises:
        InputError: the file cannot be written.
    """
    if output is None:
        click.echo(text, nl=False, color=True)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{output}: cannot be written: {error.strerror}") from error
    click.echo(f"{output} written", err=True)


def coloured(output: Path | None) -> bool:
    """Tells whether what goes to stdout may be coloured."""
    from rich.console import Console

    console = Console()
    return output is None and console.is_terminal and not console.no_color
