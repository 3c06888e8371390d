"""Say what each max_length would drop, cut and cost, and which one to take."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from prefdata.cli._options import (
    convert_options,
    form_option,
    reading_options,
    reading_progress,
    sources_argument,
)
from prefdata.cli._running import rendering_progress
from prefdata.errors import InputError

if TYPE_CHECKING:
    import polars as pl

    from prefdata.tokens.lengths import Recommended
    from prefdata.tokens.truncate import Truncation

_LEAST = 2  # tokens: one to predict from, one to predict


def _lengths(_context: click.Context, _option: click.Parameter, text: str | None) -> list[int]:
    """Returns the lengths of `512,1024`, ascending."""
    if text is None:
        return []
    try:
        numbers = sorted({int(item) for item in text.split(",")})
    except ValueError:
        numbers = []
    if not numbers or numbers[0] < _LEAST:
        raise click.BadParameter(f"'{text}' is not a list of lengths like 512,1024")
    return numbers


@click.command()
@sources_argument
@click.option("--tokenizer", required=True, metavar="MODEL",
              help="Whose tokens: a directory, a GGUF file or a hub name.")  # fmt: skip
@click.option("--max-length", "max_lengths", metavar="N,N,...", callback=_lengths,
              help="The lengths to compare.  [default: powers of two, until one cuts nothing]")  # fmt: skip
@click.option(
    "--truncation",
    type=click.Choice(["drop", "keep_start", "keep_end"]),
    default="keep_start",
    show_default=True,
    help="What happens to longer pairs.",
)
@click.option(
    "--recommend",
    "share",
    type=click.FloatRange(0, 1, min_open=True),
    metavar="SHARE",
    help="Name the smallest length that cuts fewer than this share of the pairs.",
)
@form_option
@reading_options
def command(
    sources: tuple[str, ...],
    tokenizer: str,
    max_lengths: list[int],
    truncation: Truncation,
    share: float | None,
    form: str,
    **reading: Any,
) -> None:
    """Count what every max_length does to SRC, raw or converted, as tokens of MODEL.

    A pair is too long if prompt and a completion have more tokens. Pairs are emptied if a completion
    has no token left, and identical if both sides have the same ones left. Tokens are those of
    both sides, each with its prompt.

    \b
    Examples:
      prefdata lengths pairs.parquet --tokenizer HuggingFaceTB/SmolLM2-135M-Instruct
      prefdata lengths pairs.parquet --tokenizer ./model --recommend 0.02 --truncation drop
    """
    from prefdata.tokens.lengths import length_table, offered, recommend

    lengths = _rendered(sources, tokenizer, reading)
    advice = recommend(lengths, share) if share is not None else None
    asked = max_lengths or offered(lengths)
    several = lengths["source"].n_unique() > 1
    table = length_table(
        lengths,
        sorted({*asked, *(advice or ())}),
        truncation,
        by="source" if several or form == "json" else None,
    )
    if form == "json":
        click.echo(
            json.dumps(_record(lengths, table, tokenizer, truncation, share, advice), indent=2)
        )
        return
    _print(lengths, table, by="source" if several else None)
    if advice is not None:
        click.echo(
            f"recommended: max_length {advice.exact:,} is the smallest that cuts fewer than"
            f" {share:.3g} of the pairs; as a multiple of 64: {advice.rounded:,}"
        )


def _rendered(sources: tuple[str, ...], tokenizer: str, reading: dict[str, Any]) -> pl.DataFrame:
    """Returns the lengths of all pairs of `sources`, and the column `source`."""
    from prefdata.conversion import convert
    from prefdata.tokens import load_tokenizer, render_frame
    from prefdata.tokens.lengths import pair_lengths

    with reading_progress(sources) as progress:
        pairs = convert(sources, convert_options(**reading), progress=progress).pairs
    if not pairs.height:
        raise InputError(
            f"{', '.join(sources)}: holds no pairs", hint=f"prefdata show {sources[0]} says why"
        )
    with rendering_progress(pairs.height) as advance:
        table = render_frame(load_tokenizer(tokenizer), pairs, progress=advance)
    return pair_lengths(table).with_columns(pairs["source"])


def _print(lengths: pl.DataFrame, table: pl.DataFrame, *, by: str | None) -> None:
    from prefdata.render.lengths import length_lines, quantile_line, sparkline
    from prefdata.tokens.lengths import longest_side

    longest = longest_side(lengths)
    click.echo(f"{lengths.height:,} pairs; {quantile_line(longest)}")
    if sys.stdout.isatty():
        click.echo(sparkline(longest))
    for line in length_lines(table, by):
        click.echo(line)


def _record(
    lengths: pl.DataFrame,
    table: pl.DataFrame,
    tokenizer: str,
    truncation: Truncation,
    share: float | None,
    advice: Recommended | None,
) -> dict[str, Any]:
    """Returns what `--format json` prints; rows without a source are of all pairs."""
    return {
        "tokenizer": tokenizer,
        "truncation": truncation,
        "pairs": lengths.height,
        "lengths": table.to_dicts(),
        "recommended": {"share": share, **advice._asdict()} if advice else None,
    }
