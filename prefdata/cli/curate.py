"""Drop the pairs that teach nothing, and say which and why."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from prefdata.cli._rules import rule_list

if TYPE_CHECKING:
    from prefdata.curate.drop import Curated


@click.command()
@click.argument("source", metavar="SRC")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A .parquet or .jsonl file.",
)
@click.option(
    "--select",
    metavar="RULES",
    callback=rule_list,
    help="Drop by these rules.  [default: all whose fix is safe]",
)
@click.option("--dry-run", is_flag=True, help="Print the table and write nothing.")
def command(source: str, output: Path | None, *, select: list[str] | None, dry_run: bool) -> None:
    """Drop the pairs of SRC, a converted set, that break rules with a safe fix.

    Removed pairs go to OUTPUT's sibling .removed file with the column `reason`; OUTPUT's manifest
    accounts for all. Doing it again removes nothing more.

    \b
    Examples:
      prefdata curate pairs.parquet -o curated.parquet
      prefdata curate pairs.parquet --dry-run --select identical-pair,tied-score
    """
    from prefdata.conversion import read_pairs
    from prefdata.curate.drop import curate

    if output is None and not dry_run:
        raise click.UsageError("name the output with -o, or look first with --dry-run")
    result = curate(read_pairs(source), select)
    for line in _table(result):
        click.echo(line)
    if output is not None and not dry_run:
        written = _write(result, source, output, select)
        click.echo(f"wrote {', '.join(map(str, written))}")


def _table(result: Curated) -> list[str]:
    from prefdata.checks import find_rule

    kept, removed = result.kept.height, result.removed.height
    lines = [f"{kept + removed:,} pairs in = {kept:,} kept + {removed:,} removed"]
    reasons = [(find_rule(name).code, name, count) for name, count in _reasons(result).items()]
    return lines + [f"{count:>9,}  {code} {name}" for code, name, count in sorted(reasons)]


def _reasons(result: Curated) -> dict[str, int]:
    return dict(result.removed["reason"].value_counts().sort("reason").iter_rows())


def _write(result: Curated, source: str, output: Path, select: list[str] | None) -> list[Path]:
    from prefdata.curate.drop import droppers
    from prefdata.curate.write import write_parts
    from prefdata.io.manifest import sibling

    removed = sibling(output, f".removed{output.suffix}")
    return write_parts(
        {output: result.kept, removed: result.removed},
        source=source,
        command=["prefdata", *sys.argv[1:]],
        outputs=[output],
        reasons=_reasons(result),
        settings={"rules": [rule.name for rule in droppers(select)]},
    )
