"""Turn any layout into canonical pairs; every row is accounted for."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from prefdata.cli._joined import joined_rows
from prefdata.cli._options import (
    convert_options,
    output_option,
    reading_options,
    reading_progress,
    sources_argument,
)

if TYPE_CHECKING:
    from prefdata.io.manifest import Manifest


@click.command()
@sources_argument
@output_option
@click.option(
    "--workers",
    type=click.IntRange(1),
    help="Processes that share the work; the result is the same.  [default: one a core]",
)
@click.option("--licence", metavar="ID", help="For the manifest, e.g. cc-by-4.0.")
@click.option("--source-url", metavar="URL", help="For the manifest: where SRC is described.")
@click.option("--resume", is_flag=True, help="Go on where an interrupted run stopped.")
@reading_options
def command(
    sources: tuple[str, ...],
    output: Path,
    workers: int | None,
    licence: str | None,
    source_url: str | None,
    resume: bool,
    **reading: Any,
) -> None:
    """Convert SRC to one set of canonical pairs.

    SRC is a file (JSON Lines, JSON array, CSV, TSV, Parquet, Arrow; plain, .gz or .zst), a hub dataset
    as owner/name[:config][@split], or - for standard input. Ties, unpaired ratings and quarantined
    rows go to files beside the output, and OUTPUT.manifest.json accounts for every row.

    \b
    Examples:
      prefdata convert votes.json -o pairs.parquet
      prefdata convert sheet.csv -o pairs.jsonl --map prompt=question,chosen=good,rejected=bad
      prefdata convert testset.json -o pairs.parquet --join labels.json:idx
    """
    import msgspec

    from prefdata.converting.workers import processes_for, warm_up

    if (workers or processes_for([Path(source) for source in sources])) > 1:
        warm_up()  # while this process imports the same
    from prefdata.conversion import convert_to

    terms = {"licence": licence, "source_url": source_url}
    options = msgspec.structs.replace(convert_options(**reading), **terms)
    with reading_progress(sources) as progress:
        manifest = convert_to(
            sources,
            output,
            options,
            command=_command(),
            progress=progress,
            processes=workers,
            resume=resume,
        )
    for line in summary(manifest, output):
        click.echo(line)


def _command() -> list[str]:
    """Returns the command as typed, without what does not change the result."""
    words, kept = iter(sys.argv[1:]), ["prefdata"]
    for word in words:
        if word == "--workers":
            next(words, None)
        elif word != "--resume" and not word.startswith("--workers="):
            kept.append(word)
    return kept


def summary(manifest: Manifest, output: Path) -> list[str]:
    """Returns what happened to the rows, as a person reads it."""
    counts = manifest.counts
    lines = [f"layout  {entry.name} ({entry.rows:,} rows)" for entry in manifest.layout]
    lines.append(f"rows    {counts.rows:,}")
    for name in ("paired", "tied", "unpaired", "quarantined", "skipped"):
        number = getattr(counts, name)
        if number:
            gave = {"paired": f"{counts.pairs:,} pairs", "tied": f"{counts.ties:,} ties"}.get(name)
            lines.append(f"        {number:>9,} {name}{f' -> {gave}' if gave else ''}")
    lines += [f"        {rows:>9,}   {rule}" for rule, rows in manifest.reasons.items()]
    lines += [f"joined  {joined_rows(entry)}" for entry in manifest.joined]
    if manifest.policies:
        gives = ", ".join(f"{policy} {pairs:,}" for policy, pairs in manifest.policies.items())
        lines.append(f"pairs by policy: {gives}")
    names = [entry.file for entry in manifest.outputs]
    lines.append(f"wrote   {', '.join(str(output.parent / name) for name in names)}")
    return lines
