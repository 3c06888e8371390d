"""Pair the rankings behind a set by another policy."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from prefdata.cli._options import output_option, ranking_options
from prefdata.pairing import POLICIES, Pairing

if TYPE_CHECKING:
    import polars as pl

    from prefdata.curate.repair import Repaired
    from prefdata.io.manifest import Counts


@click.command()
@click.argument("source", metavar="SRC")
@output_option
@click.option("--pairs-by", "by", type=click.Choice(POLICIES), required=True)
@ranking_options
def command(source: str, output: Path, **options: Any) -> None:
    """Rebuild the rankings that SRC, a converted set, was made of, and pair them anew.

    What was made of one row and prompt is one ranking: pairs, and the ties and ratings that stand
    beside SRC in its .ties and .unpaired files. A pair that was there before stays as it is; a new
    one has no votes. Pairs that imply no ranking (a cycle, scores that say otherwise, two
    completions without an order) go to OUTPUT's sibling .removed file. What SRC's own policy left
    out cannot come back: convert the source again for that.

    \b
    Examples:
      prefdata pairs pairs.parquet -o best.parquet --pairs-by best-worst
      prefdata pairs pairs.parquet -o few.parquet --pairs-by every --max-per-prompt 3
    """
    from prefdata.conversion import read_pairs
    from prefdata.curate.repair import repair
    from prefdata.io.write import check_suffix
    from prefdata.surroundings import read_ties, read_unpaired

    check_suffix(output)
    _refuse(source, output)
    pairing = Pairing(**options)
    ties, unpaired = read_ties(source), read_unpaired(source)
    result = repair(read_pairs(source), pairing, ties=ties, unpaired=unpaired)
    missing = _left_out(source)
    written = _write(result, source, output, pairing, missing)
    for line in _lines(result, options["by"]):
        click.echo(line)
    for line in missing:
        click.echo(f"not here: {line}; convert the source again for them")
    click.echo(f"wrote {', '.join(map(str, written))}")


_BESIDE = ("ties", "unpaired", "removed")


def _refuse(source: str, output: Path) -> None:
    """Raises where a file that is read would be overwritten, or one that is not ours."""
    from prefdata.io.manifest import refuse_to_overwrite, sibling

    read = [source, *(str(path) for path in _siblings(Path(source)) if path.exists())]
    refuse_to_overwrite([output], read)
    taken = {Path(name).resolve() for name in read}
    for path in _siblings(output):
        if path.resolve() in taken or not sibling(output, ".manifest.json").exists():
            refuse_to_overwrite([path], read)


def _siblings(path: Path) -> list[Path]:
    from prefdata.io.manifest import sibling

    return [sibling(path, f".{part}{path.suffix}") for part in _BESIDE]


def _left_out(source: str) -> list[str]:
    """Returns what the conversion of SRC left out, by its manifest."""
    from prefdata.io.manifest import sibling

    file = sibling(Path(source), ".manifest.json")
    try:
        pairing = json.loads(file.read_bytes())["settings"]["pairing"]
        by, ties = pairing["by"], pairing["ties"]
    except (OSError, ValueError, KeyError, TypeError):
        return []  # none, or of a command that pairs nothing
    found = []
    if by.startswith("best-"):
        found.append(f"{source} was made by {by}, without the answers that are neither")
    if ties == "drop":
        found.append(f"{source} was made without ties")
    return found


def _lines(result: Repaired, policy: str) -> list[str]:
    lines = [f"{result.rankings:,} rankings paired by {policy}"]
    for name in ("pairs", "ties", "unpaired"):
        part = getattr(result, name)
        removed = result.removed.height if name == "pairs" else 0
        before = part.kept + part.gone.height + removed
        if before or part.new:
            changes = [f"{part.kept:,} as they were", f"{part.new:,} new"]
            changes += [f"{part.gone.height:,} no longer made"] * bool(part.gone.height)
            changes += [f"{removed:,} removed"] * bool(removed)
            lines.append(f"{name:<8} {before:>9,} -> {part.rows.height:>9,}  {', '.join(changes)}")
    for reason, pairs in _reasons(result.removed).items():
        lines.append(f"{'':8} {pairs:>9,}  removed: {reason}")
    for what, pairs in _not_carried(result).items():
        lines.append(f"not carried: {what} of {pairs:,} pairs that are no longer made")
    if result.lost_fields:
        lines.append(f"not in new pairs: meta {', '.join(result.lost_fields)}, of single pairs")
    return lines


def _reasons(removed: pl.DataFrame) -> dict[str, int]:
    return dict(removed["reason"].value_counts().sort("reason").iter_rows())


def _not_carried(result: Repaired) -> dict[str, int]:
    """Returns what people said of pairs that are no longer made -> how many of those pairs."""
    gone = result.pairs.gone
    found = {
        "votes": int((gone["votes"].list.len() > 0).sum()),
        "chosen_first": gone["chosen_first"].count(),
    }
    return {name: pairs for name, pairs in found.items() if pairs}


def _write(
    result: Repaired, source: str, output: Path, pairing: Pairing, missing: list[str]
) -> list[Path]:
    import msgspec

    from prefdata.curate.account import write_account
    from prefdata.io.write import write_pairs

    beside = (result.ties.rows, result.unpaired.rows, result.removed)
    parts = dict(zip(_siblings(output), beside, strict=True))
    write_pairs(result.pairs.rows, output)
    for path, part in parts.items():
        if part.is_empty():
            path.unlink(missing_ok=True)
        else:
            write_pairs(part, path)
    written = {output: result.pairs.rows} | {p: part for p, part in parts.items() if part.height}
    write_account(
        {path: part.height for path, part in written.items()},
        _inputs(result, source),
        _counts(result),
        reasons=_reasons(result.removed) | {f"not-by-{pairing.by}": _gone(result)},
        command=["prefdata", *sys.argv[1:]],
        settings={
            "pairing": msgspec.to_builtins(pairing),
            "not_carried": _not_carried(result),
            "not_in_new_pairs": list(result.lost_fields),
            "not_here": missing,
        },
    )
    return list(written)


def _inputs(result: Repaired, source: str) -> dict[str, int]:
    """Returns the files that were read, and their rows."""
    read = [Path(source), *_siblings(Path(source))[:2]]
    parts = (result.pairs, result.ties, result.unpaired)
    rows = [part.kept + part.gone.height for part in parts]
    rows[0] += result.removed.height
    return {str(path): n for path, n in zip(read, rows, strict=True) if n or path == read[0]}


def _gone(result: Repaired) -> int:
    return sum(part.gone.height for part in (result.pairs, result.ties, result.unpaired))


def _counts(result: Repaired) -> Counts:
    """Returns what became of the rows of all files: pairs, ties and ratings."""
    from prefdata.io.manifest import Counts

    kept = {"paired": result.pairs.kept, "tied": result.ties.kept, "unpaired": result.unpaired.kept}
    left_out = result.removed.height + _gone(result)
    return Counts(
        rows=sum(kept.values()) + left_out,
        **kept,
        quarantined=left_out,
        pairs=result.pairs.rows.height,
        ties=result.ties.rows.height,
    )
