"""Show what changed between two sets: added, removed, relabelled, moved and rated pairs."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from prefdata.errors import EXIT_FINDINGS

if TYPE_CHECKING:
    import polars as pl

    from prefdata.curate.diff import Diff


@click.command()
@click.argument("before", metavar="A")
@click.argument("after", metavar="B")
@click.option("-n", "number", type=click.IntRange(0), default=0, metavar="N",
              help="Show the first N pairs of each kind.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print counts, and the ids of each kind.")
@click.option("--exit-zero", is_flag=True, help="Exit with 0 even if they differ.")
def command(before: str, after: str, *, number: int, as_json: bool, exit_zero: bool) -> None:
    """Compare the converted sets A and B, or two directories that `prefdata split` wrote.

    Pairs are compared by content. Exit code 0: no difference; 1: they differ.

    \b
    Examples:
      prefdata diff old.parquet new.parquet -n 2
      prefdata diff data-1 data-2 --json
    """
    from prefdata.curate.diff import diff

    found = diff(_read(before), _read(after))
    if as_json:
        counts = {name: part.height for name, part in found._asdict().items()}
        ids = {name: part["id"].to_list() for name, part in found._asdict().items()}
        click.echo(json.dumps({"counts": counts, "ids": ids}))
    else:
        for line in _lines(found, number):
            click.echo(line)
    if found.differs and not exit_zero:
        raise SystemExit(EXIT_FINDINGS)


def _read(source: str) -> pl.DataFrame:
    """Returns a set; that of a directory has the column `split`."""
    import polars as pl

    from prefdata.conversion import read_pairs

    if not Path(source).is_dir():
        return read_pairs(source)
    from prefdata.publish import splits_of

    parts = splits_of(Path(source)).items()
    return pl.concat(read_pairs(path).with_columns(split=pl.lit(name)) for name, path in parts)


_SAYS = {
    "added": "added",
    "removed": "removed",
    "relabelled": "relabelled: the other completion is preferred now",
    "moved": "moved to another split",
    "rated": "rated anew: other scores, models or votes",
}


def _lines(found: Diff, number: int) -> list[str]:
    from prefdata.render.pair import render_pair

    lines = []
    for name, part in found._asdict().items():
        lines.append(f"{part.height:>9,}  {_SAYS[name]}")
        for pair in islice(part.iter_rows(named=True), number):
            lines += ["", render_pair(pair), *_move(pair), ""]
    return lines


def _move(pair: dict[str, Any]) -> list[str]:
    return [f"moved     {pair['from_split']} -> {pair['split']}"] if "from_split" in pair else []
