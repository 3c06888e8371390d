"""Write one page that says whether a set is fit to train on, what is wrong, and where."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from prefdata.cli._options import (
    convert_options,
    reading_options,
    reading_progress,
    sources_argument,
)
from prefdata.cli._rules import in_force, rule_list
from prefdata.cli._running import rule_progress

if TYPE_CHECKING:
    from prefdata.config import Settings
    from prefdata.conversion import Conversion
    from prefdata.report.collect import Making

_RULES = "names, codes or families (PD2), separated by commas."


@click.command()
@sources_argument
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.html",
    help="The page; FILE.json beside it holds every number of it.",
)
@click.option("--select", metavar="RULES", callback=rule_list, help=f"Only these: {_RULES}")
@click.option(
    "--ignore", metavar="RULES", callback=rule_list, help=f"All rules but these: {_RULES}"
)
@click.option("--against", metavar="FILE", help="The other split, to find what both have.")
@click.option(
    "--benchmark",
    "benchmarks",
    multiple=True,
    metavar="FILE",
    help="An evaluation set whose prompts must not be here. May be given several times.",
)
@reading_options
def command(
    sources: tuple[str, ...],
    output: Path,
    select: list[str] | None,
    ignore: list[str] | None,
    against: str | None,
    benchmarks: tuple[str, ...],
    **reading: Any,
) -> None:
    """Write a page about SRC, raw or converted: verdict, findings, charts, samples.

    One file that works offline and holds no script. Exit code 0 whatever is found, 2 where SRC
    cannot be read; `prefdata check` is for gates. Settings come from [tool.prefdata], as there.

    \b
    Examples:
      prefdata report pairs.parquet -o report.html
      prefdata report train.parquet --against test.parquet -o report.html
    """
    from prefdata.conversion import convert
    from prefdata.lint import examine
    from prefdata.report.collect import collect
    from prefdata.report.write import report_files, write_report
    from prefdata.surroundings import read_benchmark

    settings = in_force(select=select, ignore=ignore, fail_on=None, max_rates={}).settings
    paths = report_files(output, sources)
    options = convert_options(**reading)
    evaluation = tuple(map(read_benchmark, benchmarks)) or None
    with reading_progress(sources) as progress:
        conversion = convert(sources, options, progress=progress)
    other = convert([against]).pairs if against else None
    evidence = _evidence(sources, conversion, against=other, benchmarks=evaluation)
    with rule_progress() as tell:
        findings = examine(
            evidence,
            select=settings.select,
            ignore=settings.ignore,
            settings=settings.rules,
            quarantine=conversion.quarantine,
            progress=tell,
        )
        report = collect(evidence, findings, _making(sources, conversion, settings), progress=tell)
    write_report(report, paths)
    from prefdata.report.words import tally, verdict

    click.echo(f"{verdict(report)} {tally(report)}")
    click.echo(f"wrote {', '.join(map(str, paths))}")


def _evidence(sources: tuple[str, ...], conversion: Conversion, **surroundings: Any) -> Any:
    """Returns what rules look at: the pairs, and the ties also of an earlier conversion."""
    import polars as pl

    from prefdata.checks import Evidence, indexed
    from prefdata.surroundings import read_provenance, read_ties

    return Evidence(
        pairs=indexed(conversion.pairs),
        ties=pl.concat([conversion.ties, *map(read_ties, sources)]),
        provenance=tuple(map(read_provenance, sources)),
        **surroundings,
    )


def _making(sources: tuple[str, ...], conversion: Conversion, settings: Settings) -> Making:
    from prefdata.report.collect import Making

    return Making(
        command=["prefdata", *sys.argv[1:]],
        sources=sources,
        settings=settings.model_dump(mode="json", by_alias=True, exclude_defaults=True),
        counts=conversion.counts,
        layout=conversion.layout,
        reasons=conversion.reasons,
        quarantine=conversion.quarantine,
    )
