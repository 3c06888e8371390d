"""Options that several commands share: how to read sources, progress while reading them, and the form of what is printed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from prefdata.pairing import POLICIES, TIE_POLICIES, Pairing

if TYPE_CHECKING:
    from prefdata.conversion import ConvertOptions

_BASES: dict[str, Literal[0, 1]] = {"0": 0, "1": 1}

F = TypeVar("F", bound=Callable[..., Any])

_RANKING = (
    click.option(
        "--min-margin",
        type=click.FloatRange(0),
        metavar="SCORE",
        help="Make no pair of answers whose scores differ by less.",
    ),
    click.option(
        "--max-per-prompt",
        type=click.IntRange(1),
        metavar="N",
        help="Make at most N pairs of a ranking, those of the largest margins.",
    ),
    click.option(
        "--seed",
        type=click.IntRange(0, 2**64 - 1),
        default=0,
        metavar="N",
        help="Seed of --pairs-by best-random.",
    ),
    click.option(
        "--pair-weights",
        "weights",
        is_flag=True,
        help="Give each pair of a ranking the weight 1/n: pair_weight in its meta.",
    ),
)
_PAIRING = (
    click.option(
        "--pairs-by",
        "by",
        type=click.Choice(POLICIES),
        default="every",
        show_default=True,
        help="How rankings become pairs.",
    ),
    *_RANKING,
    click.option(
        "--ties",
        type=click.Choice(TIE_POLICIES),
        default="keep",
        show_default=True,
        help="Write ties beside the pairs, leave them out, or quarantine rows that are only ties.",
    ),
    click.option(
        "--min-agreement",
        type=click.FloatRange(0, 1),
        metavar="SHARE",
        help="Make no pair of votes of which fewer agree; more than half must in any case.",
    ),
)

form_option = click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True
)
output_option = click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="A .parquet or .jsonl file.",
)
sources_argument = click.argument("sources", nargs=-1, required=True, metavar="SRC...")


def ranking_options(command: F) -> F:
    """Adds the options that say which pairs a ranking gives; their values are fields of `Pairing`."""
    for option in reversed(_RANKING):
        command = option(command)
    return command


def reading_options(command: F) -> F:
    """Adds the options that say how to read sources; pass their values to `convert_options`."""
    for option in reversed(
        [
            click.option("--from", "layout", metavar="NAME", help="Read as this layout."),
            click.option(
                "--map",
                "mapping",
                metavar="OURS=THEIRS,...",
                help="Name the columns: prompt=question,chosen=good,rejected=bad;"
                " or prompt=q,a=x,b=y,label=winner; or prompt=q,completions=answers,scores=ratings.",
            ),
            click.option(
                "--join",
                "joins",
                multiple=True,
                metavar="FILE:OURS[=THEIRS[:PREFIX]]",
                help="Add the fields of the row of FILE whose THEIRS is our OURS, such as labels or"
                " answers by id; FILE:# adds those of the row of the same number. PREFIX stands"
                " before their names. May be given several times.",
            ),
            click.option(
                "--label-values",
                metavar="A,B[,TIE]",
                help="Values of label that mean a, b and tie.",
            ),
            click.option(
                "--prompt-ends-with",
                metavar="TEXT",
                help="Where prompt and completion are one string: the text that ends the prompt.",
            ),
            click.option(
                "--label-base",
                type=click.Choice(["0", "1"]),
                help="The number that means the first answer.",
            ),
            click.option(
                "--better",
                metavar="NAME",
                help="What decides where the source judges several things (helpful, safe),"
                " or the answer column that a positive strength speaks for.",
            ),
            click.option(
                "--left", metavar="COLUMN", help="The answer column that was shown on the left."
            ),
            click.option(
                "--encoding",
                metavar="NAME",
                help="Of the text, such as cp1252.  [default: UTF-8, or what the file's mark says]",
            ),
            click.option(
                "--allow-evaluation-set",
                is_flag=True,
                help="Read benchmarks too; a model trained on one cannot be measured with it.",
            ),
            *_PAIRING,
        ]
    ):
        command = option(command)
    return command


def convert_options(
    *,
    layout: str | None,
    mapping: str | None,
    joins: tuple[str, ...],
    label_values: str | None,
    prompt_ends_with: str | None,
    label_base: Literal["0", "1"] | None,
    better: str | None,
    left: str | None,
    encoding: str | None,
    allow_evaluation_set: bool,
    **pairing: Any,
) -> ConvertOptions:
    """Returns the values of `reading_options` as one record, checked; `pairing` as in `Pairing`.

    Raises:
        click.UsageError: --map or --label-values cannot be read.
        ConfigError: a --join cannot be read.
    """
    from prefdata.conversion import ConvertOptions
    from prefdata.converting.join import read_join
    from prefdata.formats import Options

    columns = _columns(mapping) if mapping else None
    values = tuple(label_values.split(",")) if label_values else None
    if columns is not None:
        from prefdata.reading.mapping import check_mapping

        check_mapping(columns, values)
    elif values is not None:
        raise click.UsageError("--label-values goes with --map ...,label=COLUMN")
    reading = Options(
        mapping=columns,
        label_values=values,
        prompt_ends_with=prompt_ends_with,
        label_base=_BASES[label_base] if label_base else None,
        better=better,
        left=left,
    )
    return ConvertOptions(
        layout=layout,
        reading=reading,
        pairing=Pairing(**pairing),
        allow_evaluation_set=allow_evaluation_set,
        encoding=encoding,
        joins=tuple(map(read_join, joins)),
    )


def _columns(mapping: str) -> dict[str, str]:
    columns = {}
    for item in mapping.split(","):
        ours, equals, theirs = item.partition("=")
        if not equals or not ours or not theirs:
            raise click.UsageError(f"--map: '{item}' is not OURS=THEIRS")
        columns[ours.strip()] = theirs.strip()
    return columns


@contextmanager
def reading_progress(sources: tuple[str, ...]) -> Iterator[Callable[[int], None]]:
    """Yields a callback for bytes read that draws a bar on stderr, on a terminal only."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    sizes = [Path(s).stat().st_size for s in sources if Path(s).is_file()]
    columns = (TextColumn("reading"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("", total=sum(sizes) or None)
        before, last = 0, 0

        def advance(position: int) -> None:
            nonlocal before, last
            if position < last:  # the next file has begun
                before += last
            last = position
            bar.update(task, completed=before + position)

        yield advance
