"""Split a set into train, test and validation by prompt, never by row."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import polars as pl

_SHARE = click.FloatRange(0, 1, min_open=True, max_open=True)


@click.command()
@click.argument("source", metavar="SRC")
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="A directory.",
)
@click.option("--test", type=_SHARE, default=0.1, show_default=True, help="Share of pairs.")
@click.option("--validation", type=_SHARE, help="Share of pairs.  [default: no such part]")
@click.option(
    "--by",
    type=click.Choice(["prompt", "near"]),
    default="prompt",
    show_default=True,
    help="What stays together: a prompt, or near-duplicate prompts, too.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
def command(
    source: str, output: Path, test: float, validation: float | None, by: str, seed: int
) -> None:
    """Split SRC, a converted set, into OUTPUT/train.parquet, test.parquet and validation.parquet.

    All pairs of a prompt go to one part, and so do conversations with the same opening. Each part has
    its share of every source. The same pairs give the same split in every order of rows
    and on every machine.

    \b
    Examples:
      prefdata split pairs.parquet -o data
      prefdata split pairs.parquet -o data --test 0.1 --validation 0.05 --by near
    """
    from prefdata.conversion import read_pairs
    from prefdata.curate.groups import prompt_groups
    from prefdata.curate.split import TRAIN, divide
    from prefdata.curate.write import forget, write_parts

    shares = {"test": test} | ({"validation": validation} if validation else {})
    if sum(shares.values()) >= 1:
        raise click.UsageError("--test and --validation leave nothing for train")
    pairs = read_pairs(source)
    groups = prompt_groups(pairs, near=by == "near")
    parts = divide(pairs, groups, shares, seed=seed)
    paths = {name: output / f"{name}.parquet" for name in parts}
    written = write_parts(
        {paths[name]: part for name, part in parts.items()},
        source=source,
        command=["prefdata", *sys.argv[1:]],
        outputs=list(paths.values()),
        settings={"by": by, "seed": seed, **shares},
    )
    for name in {TRAIN, "test", "validation"} - set(parts):
        forget(output / f"{name}.parquet")
    for line in _table(parts):
        click.echo(line)
    click.echo(_leakage(pairs, groups if by == "near" else None, parts))
    click.echo(f"wrote {', '.join(map(str, written))}")


def _leakage(pairs: pl.DataFrame, near: pl.Series | None, parts: dict[str, pl.DataFrame]) -> str:
    """Returns how many prompts are in several parts, and what a split by rows would have leaked.

    Args:
        pairs: all of them.
        near: the group of near-duplicate prompts of each pair, if groups were kept together.
        parts: name -> pairs.
    """
    from prefdata.curate.groups import unit
    from prefdata.curate.split import TRAIN, row_split_leakage, shared_prompts

    test, train = (parts[name].height / pairs.height for name in ("test", TRAIN))
    leak = row_split_leakage(pairs.select(unit()).to_series(), test, train)
    by_row = f"rows split at random: {leak:.1%} of test's prompts would be in train"
    if near is not None:
        by_row += f", and {row_split_leakage(near, test, train):.1%} of its near-duplicate groups"
    return f"prompts in more than one part: {shared_prompts(parts)} ({by_row})"


def _table(parts: dict[str, pl.DataFrame]) -> list[str]:
    total = sum(part.height for part in parts.values())
    lines = [f"{'part':<10}  {'pairs':>9}  {'prompts':>9}   share"]
    for name, part in parts.items():
        prompts = part["prompt_id"].n_unique()
        share = part.height / total
        lines.append(f"{name:<10}  {part.height:>9,}  {prompts:>9,}  {share:>6.1%}")
    return lines
