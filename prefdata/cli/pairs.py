"""Pair the rankings behind a set by another policy."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from prefdata.pairing import POLICIES, Pairing


@click.command()
@click.argument("source", metavar="SRC")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="A .parquet or .jsonl file.",
)
@click.option("--pairs-by", "by", type=click.Choice(POLICIES), required=True)
@click.option("--min-margin", type=click.FloatRange(0), metavar="SCORE",
              help="Make no pair of answers whose scores differ by less.")  # fmt: skip
@click.option("--max-per-prompt", type=click.IntRange(1), metavar="N",
              help="Make at most N pairs of a ranking, those of the largest margins.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--pair-weights", "weights", is_flag=True, help="Give pairs of a ranking weight 1/n.")
def command(source: str, output: Path, **options: Any) -> None:
    """Rebuild the rankings that the pairs of SRC, a converted set, were made of, and pair them anew.

    Pairs of one origin and prompt are one ranking. Those that imply none (a cycle, scores that say
    otherwise, two completions without an order) go to OUTPUT's sibling .removed file. Completions
    that SRC's own policy left out cannot come back: convert the source again for those.

    \b
    Examples:
      prefdata pairs pairs.parquet -o best.parquet --pairs-by best-worst
      prefdata pairs pairs.parquet -o few.parquet --pairs-by every --max-per-prompt 3
    """
    from prefdata.conversion import read_pairs
    from prefdata.curate.account import write_account
    from prefdata.curate.rankings import repair
    from prefdata.io.manifest import refuse_to_overwrite, sibling
    from prefdata.io.write import write_pairs

    pairs = read_pairs(source)
    removed = sibling(output, f".removed{output.suffix}")
    refuse_to_overwrite([output], [source])
    result = repair(pairs, Pairing(**options))
    reasons = dict(result.removed["reason"].value_counts().sort("reason").iter_rows())
    parts = {output: result.pairs} | ({removed: result.removed} if reasons else {})
    for path, part in parts.items():
        write_pairs(part, path)
    if not reasons:
        removed.unlink(missing_ok=True)
    write_account(
        {path: part.height for path, part in parts.items()},
        {source: pairs.height},
        reasons=reasons,
        command=["prefdata", *sys.argv[1:]],
        settings=options,
    )
    click.echo(f"{pairs.height:,} pairs -> {result.pairs.height:,}, {result.rankings:,} rankings")
    for reason, count in reasons.items():
        click.echo(f"{count:>9,}  {reason}")
    if (policy := _policy(source)) not in (None, "every", "adjacent"):
        click.echo(f"{source} was made by {policy}: what that left out is not here", err=True)
    click.echo(f"wrote {', '.join(map(str, parts))}")


def _policy(source: str) -> str | None:
    """Returns the policy that SRC's manifest says it was made by."""
    from prefdata.io.manifest import sibling

    file = sibling(Path(source), ".manifest.json")
    settings = json.loads(file.read_bytes()).get("settings", {}) if file.is_file() else {}
    policy: str | None = settings.get("by") or settings.get("pairing", {}).get("by")
    return policy
