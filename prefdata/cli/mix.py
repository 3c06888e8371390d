"""Mix sets by weights of their rows, characters or tokens."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from prefdata.cli._options import output_option

if TYPE_CHECKING:
    import polars as pl

    from prefdata.curate.mix import Amounts, Share


@click.command()
@click.argument("sets", metavar="SRC=WEIGHT...", nargs=-1, required=True)
@output_option
@click.option(
    "--by",
    type=click.Choice(["rows", "characters", "tokens"]),
    default="rows",
    show_default=True,
    help="What the weights are shares of; characters and tokens of prompt and both completions.",
)
@click.option("--tokenizer", metavar="MODEL", help="Whose tokens --by tokens counts.")
@click.option(
    "--size", type=click.FloatRange(1), metavar="N", help="Of the whole mix, in that unit."
)
@click.option("--repeat", is_flag=True, help="Take rows of a set that is too small more than once.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
def command(
    sets: tuple[str, ...], output: Path, by: str, tokenizer: str | None, **options: Any
) -> None:
    """Mix converted sets so that each has its share: pairs.parquet=0.7 others.parquet=0.3.

    Without --size the mix is as large as the set that runs out first allows. No row is taken twice,
    except with --repeat. The same sets give the same mix on every machine.

    \b
    Examples:
      prefdata mix helpful.parquet=0.7 safe.parquet=0.3 -o mixed.parquet
      prefdata mix a.parquet=1 b.parquet=1 -o mixed.parquet --by characters --size 1000000
    """
    import polars as pl

    from prefdata.conversion import read_pairs
    from prefdata.curate.mix import mix, repeated_ids
    from prefdata.io.manifest import refuse_to_overwrite
    from prefdata.io.write import check_suffix

    if (by == "tokens") != (tokenizer is not None):
        raise click.UsageError("--by tokens and --tokenizer MODEL go together")
    weights = dict(map(_weighted, sets))
    if len(weights) < len(sets):
        raise click.UsageError("a set is named twice")
    check_suffix(output)
    refuse_to_overwrite([output], list(weights))
    frames = [read_pairs(name) for name in weights]
    amounts = [_amounts(frame, by, tokenizer) for frame in frames]
    shares = mix(frames, list(weights.values()), amounts, **options)
    mixed = pl.concat(share.taken for share in shares)
    _write(mixed, dict(zip(weights, frames, strict=True)), shares, output,
           {"weights": weights, "by": by, "tokenizer": tokenizer, **options})  # fmt: skip
    for line in _table(list(weights), frames, shares, by):
        click.echo(line)
    click.echo(f"repeated ids: {repeated_ids(mixed):,}")
    click.echo(f"wrote {output}")


def _weighted(item: str) -> tuple[str, float]:
    name, equals, weight = item.rpartition("=")
    try:
        value = float(weight)
    except ValueError:
        value = 0.0
    if not equals or not name or not 0 < value < float("inf"):
        raise click.UsageError(f"'{item}' is not SRC=WEIGHT with a weight above 0")
    return name, value


def _amounts(pairs: pl.DataFrame, by: str, tokenizer: str | None) -> Amounts:
    import numpy as np

    from prefdata.curate.mix import characters

    if by == "rows":
        return np.ones(pairs.height)
    if tokenizer is None:
        return characters(pairs)
    import polars as pl

    from prefdata.tokens import load_tokenizer, render_frame

    ids = pl.DataFrame(render_frame(load_tokenizer(tokenizer), pairs))
    names = ("prompt_ids", "chosen_ids", "rejected_ids")
    counts = ids.select(pl.sum_horizontal(pl.col(name).list.len() for name in names)).to_series()
    return counts.to_numpy().astype(np.float64)


def _table(names: list[str], frames: list[pl.DataFrame], shares: list[Share], by: str) -> list[str]:
    width = max(map(len, (*names, "set")))
    total = sum(share.amount for share in shares)
    lines = [f"{'set':<{width}}  {'rows':>9}  {'of':>9}  {by:>12}   share"]
    for name, frame, share in zip(names, frames, shares, strict=True):
        numbers = f"{share.taken.height:>9,}  {frame.height:>9,}  {share.amount:>12,.0f}"
        lines.append(f"{name:<{width}}  {numbers}  {share.amount / total:>6.1%}")
    return lines


def _write(
    mixed: pl.DataFrame,
    sets: dict[str, pl.DataFrame],
    shares: list[Share],
    output: Path,
    settings: dict[str, Any],
) -> None:
    from prefdata.curate.account import write_account
    from prefdata.io.manifest import Counts
    from prefdata.io.write import write_pairs

    write_pairs(mixed, output)
    inputs = {name: frame.height for name, frame in sets.items()}
    rows, used = sum(inputs.values()), sum(share.used for share in shares)
    write_account(
        {output: mixed.height},
        inputs,
        Counts(rows=rows, paired=used, quarantined=rows - used, pairs=mixed.height),
        reasons={"not-drawn": rows - used},
        command=["prefdata", *sys.argv[1:]],
        settings=settings,
    )
