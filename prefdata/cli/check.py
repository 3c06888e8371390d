"""Say what is wrong with a set, row by row; changes nothing."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from prefdata.cli._options import (
    convert_options,
    reading_options,
    reading_progress,
    sources_argument,
)
from prefdata.cli._rules import in_force, rule_options
from prefdata.cli._running import rendering_progress, rule_progress
from prefdata.errors import EXIT_FINDINGS, InputError
from prefdata.render import RENDERERS, View

if TYPE_CHECKING:
    import polars as pl

    from prefdata.baseline import Places
    from prefdata.config import FailOn
    from prefdata.conversion import Conversion
    from prefdata.findings import Findings

_NO_LIMIT = 2**31 - 1
_OPTION_OF = {
    "tokens": "--tokenizer MODEL",
    "against": "--against FILE",
    "benchmarks": "--benchmark FILE",
    "scores": "--scores FILE",
}
_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@sources_argument
@rule_options
@click.option(
    "--format", "renderer", type=click.Choice(RENDERERS.names()), default="text", show_default=True
)
@click.option("--statistics", is_flag=True, help="Show counts and rates of every rule instead.")
@click.option(
    "--max-per-rule",
    type=click.IntRange(0),
    default=5,
    show_default=True,
    help="Findings shown of each rule; 0 shows all. json, jsonl and sarif always have all.",
)
@click.option("--baseline", type=_FILE, metavar="FILE", help="Leave out the findings in FILE.")
@click.option(
    "--write-baseline",
    "new_baseline",
    type=_FILE,
    metavar="FILE",
    help="Write all findings to FILE, and leave them out.",
)
@click.option(
    "--accept-new", is_flag=True, help="Write findings, too, that FILE did not have before."
)
@click.option("--against", metavar="FILE", help="The other split, to find what both have.")
@click.option(
    "--benchmark",
    "benchmarks",
    multiple=True,
    metavar="FILE",
    help="An evaluation set whose prompts must not be here: any layout, a table with a column"
    " prompt, question or instruction, or a .txt of one prompt a line. May be given several times.",
)
@click.option(
    "--scores",
    multiple=True,
    type=_FILE,
    metavar="FILE",
    help="What a trained model says about each pair: pairs.parquet or pairs-train.parquet of a run of"
    " prefalign. May be given several times.",
)
@click.option(
    "--tokenizer",
    metavar="MODEL",
    help="Check the tokens this model would see, too: a directory, a .gguf file or a hub name.",
)
@click.option("--max-length", type=click.IntRange(2), help="Cut the tokens like a run would.")
@click.option(
    "--chat-template",
    metavar="FILE",
    help="Render with this Jinja template instead, or with that of a model, chatml or tulu.",
)
@reading_options
def command(
    sources: tuple[str, ...],
    select: list[str] | None,
    ignore: list[str] | None,
    fail_on: FailOn | None,
    max_rates: dict[str, float],
    renderer: str,
    statistics: bool,
    max_per_rule: int,
    baseline: Path | None,
    new_baseline: Path | None,
    accept_new: bool,
    against: str | None,
    benchmarks: tuple[str, ...],
    scores: tuple[Path, ...],
    tokenizer: str | None,
    max_length: int | None,
    chat_template: str | None,
    **reading: Any,
) -> None:
    """Check SRC, raw or converted, against every rule.

    Exit code 0: nothing at or above --fail-on; 1: findings; 2: SRC cannot be read. Settings come
    from [tool.prefdata] of the nearest pyproject.toml, or prefdata.toml; options go before them.

    \b
    Examples:
      prefdata check votes.json --fail-on warning
      prefdata check train.parquet --against test.parquet --select split-leakage
      prefdata check test.parquet --scores out/dpo/pairs-eval.parquet --select margin-against-label
      prefdata check pairs.parquet --tokenizer HuggingFaceTB/SmolLM2-135M-Instruct --max-length 1024
    """
    from prefdata.conversion import convert
    from prefdata.lint import lint
    from prefdata.scores import read_scores
    from prefdata.surroundings import read_benchmark, read_provenance

    if not tokenizer and (max_length or chat_template):
        option = "--max-length" if max_length else "--chat-template"
        raise click.UsageError(f"{option} is about the tokens of a model: add --tokenizer MODEL")
    if accept_new and not new_baseline:
        raise click.UsageError("--accept-new goes with --write-baseline FILE")
    settings = in_force(select=select, ignore=ignore, fail_on=fail_on, max_rates=max_rates).settings
    given = {
        "tokens": tokenizer,
        "against": against,
        "benchmarks": benchmarks,
        "scores": scores,
    }
    _require_something_to_run(settings.select, {need for need, value in given.items() if not value})
    options = convert_options(**reading)
    evaluation = tuple(map(read_benchmark, benchmarks)) or None
    scored = read_scores(*scores) if scores else None
    with reading_progress(sources) as progress:
        conversion = _in_one_chunk(convert(sources, options, progress=progress))
    if scored is not None:
        click.echo(_share_scored(conversion.pairs, scored, scores), err=True)
    other = convert([against]).pairs if against else None
    tokens = (
        _token_facts(conversion.pairs, tokenizer, chat_template, max_length) if tokenizer else None
    )
    with rule_progress() as tell:
        findings = lint(
            conversion.pairs,
            select=settings.select,
            ignore=settings.ignore,
            settings=settings.rules,
            quarantine=conversion.quarantine,
            ties=_ties(sources, conversion),
            against=other,
            tokens=tokens,
            benchmarks=evaluation,
            provenance=tuple(map(read_provenance, sources)),
            scores=scored,
            progress=tell,
        )
    findings = _new(findings, baseline, new_baseline, accept_new=accept_new)
    terminal = sys.stdout.isatty()
    view = View(
        converted=_converted(sources, conversion),
        statistics=statistics,
        max_per_rule=max_per_rule,
        fail_on=settings.fail_on,
        width=shutil.get_terminal_size().columns if terminal else None,
        colour=terminal and not os.environ.get("NO_COLOR"),
    )
    for piece in RENDERERS.get(renderer)(findings, view):
        click.echo(piece, nl=False)
    if settings.fail_on != "never" and findings.reach(settings.fail_on):
        raise SystemExit(EXIT_FINDINGS)


def _require_something_to_run(select: list[str] | None, missing: set[str]) -> None:
    """Refuses a selection of rules that all lack what they look at: nothing found would say nothing."""
    from prefdata.checks import find_rule, matching

    needs = {find_rule(name).needs for name in matching(select or ())}
    if needs and needs <= missing:
        options = ", ".join(sorted(_OPTION_OF[need] for need in needs if need))
        raise click.UsageError(f"{', '.join(select or ())}: add {options} for these rules to run")


def _share_scored(pairs: pl.DataFrame, scores: pl.DataFrame, files: tuple[Path, ...]) -> str:
    """Says how many of the pairs have scores; refuses scores of another set, which would find nothing."""
    names = ", ".join(map(str, files))
    scored = pairs["id"].is_in(scores["id"].unique().to_list()).sum()
    if scored == 0 and pairs.height:
        raise InputError(
            f"{names}: scores none of these {pairs.height:,} pairs",
            hint="give the set that was scored; a pair's id changes with its text",
        )
    told = f"{names}: scores of {scored:,} of {pairs.height:,} pairs"
    if scores["ref_chosen_logps"].null_count() == scores.height:
        told += "; none of a reference, so that only perplexities can be judged"
    return told


def _in_one_chunk(conversion: Conversion) -> Conversion:
    """Returns the conversion as rules need its pairs, so that they need not be held twice."""
    return msgspec.structs.replace(conversion, pairs=conversion.pairs.rechunk())


def _token_facts(
    pairs: pl.DataFrame, tokenizer: str, chat_template: str | None, max_length: int | None
) -> pl.DataFrame:
    from prefdata.tokens import load_tokenizer, measure_pairs

    loaded = load_tokenizer(tokenizer, chat_template=chat_template)
    with rendering_progress(pairs.height) as advance:
        return measure_pairs(loaded, pairs, max_length or _NO_LIMIT, progress=advance)


def _ties(sources: tuple[str, ...], conversion: Conversion) -> pl.DataFrame:
    """Returns the ties of the sources, also those that an earlier conversion wrote beside them."""
    import polars as pl

    from prefdata.surroundings import read_ties

    return pl.concat([conversion.ties, *map(read_ties, sources)])


def _new(
    findings: Findings, baseline: Path | None, new_baseline: Path | None, *, accept_new: bool
) -> Findings:
    """Returns the findings that no baseline has; says on stderr what became of the baselines."""
    from prefdata.baseline import compare, read_baseline, write_baseline

    known = read_baseline(baseline) if baseline else None
    if new_baseline:
        written = write_baseline(findings, new_baseline, accept_new=accept_new)
        click.echo(f"wrote {new_baseline}: {_findings(len(written))}", err=True)
        known = known or written
    if known is None:
        return findings
    compared = compare(findings, known)
    if compared.stale and not new_baseline:
        click.echo(_stale(compared.stale, baseline), err=True)
    return compared.new


def _stale(stale: Places, baseline: Path | None) -> str:
    number = sum(map(len, stale.values()))
    rules = ", ".join(f"{len(found):,} {name}" for name, found in stale.items())
    return (
        f"{baseline}: {_findings(number)} in it no longer found ({rules});"
        f" --write-baseline {baseline} takes them out"
    )


def _findings(number: int) -> str:
    return f"{number:,} finding{'' if number == 1 else 's'}"


def _converted(sources: tuple[str, ...], conversion: Conversion) -> str | None:
    """Returns the source if it is one set that curate can read."""
    canonical = {entry.name for entry in conversion.layout} == {"canonical"}
    return sources[0] if canonical and len(sources) == 1 else None
