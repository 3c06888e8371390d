"""Curate a set by a plan: drop, deduplicate, settle, cap, balance, select; every removal says why."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from prefdata.cli._options import reading_progress
from prefdata.cli._plan import chosen_plan, named_plans, plan_text, step_list
from prefdata.cli._rules import rule_list
from prefdata.errors import InputError

if TYPE_CHECKING:
    import polars as pl

    from prefdata.curate.overlap import Overlap
    from prefdata.curate.plan import Plan
    from prefdata.curate.run import Verdict


def _list(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value:
        click.echo("\n".join(step_list()))
        ctx.exit()


@click.command()
@click.argument("source", metavar="SRC")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A .parquet or .jsonl file.",
)
@click.option(
    "--plan",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A YAML file with the steps, instead of the options below.",
)
@click.option(
    "--select",
    metavar="RULES",
    callback=rule_list,
    help="Drop by these rules.  [default: all whose fix is safe]",
)
@click.option(
    "--dedup", type=click.Choice(["exact", "loose", "near"]), help="Keep one of equal pairs."
)
@click.option(
    "--keep",
    type=click.Choice(["first", "margin", "chosen_score", "votes"]),
    help="The duplicate that stays: the first, or that with the most.  [default: first]",
)
@click.option("--majority", is_flag=True, help="Settle contradictions by clear majorities.")
@click.option("--min-margin", type=float, metavar="SCORE", help="Drop pairs of a smaller margin.")
@click.option("--min-chosen-score", type=float, metavar="SCORE", help="Drop pairs chosen below it.")
@click.option("--recipe", metavar="NAME", help="Select as published; --list names them.")
@click.option("--cap", type=click.IntRange(1), metavar="N", help="Keep at most N pairs a prompt.")
@click.option(
    "--cap-by",
    type=click.Choice(["draw", "margin"]),
    help="Keep those drawn, or those of the largest margins.  [default: draw]",
)
@click.option("--balance-length", is_flag=True, help="Drop until the longer side wins half.")
@click.option(
    "--sample",
    type=click.FloatRange(0, min_open=True),
    metavar="N|SHARE",
    help="Keep N pairs, or about a share below 1.",
)
@click.option("--seed", type=click.IntRange(0), metavar="N", help="Of what is drawn.  [default: 0]")
@click.option(
    "--scores",
    multiple=True,
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Numbers to decide by, joined by id: the record of a run, or of `prefalign score`. May be given"
    " several times; a number that a pair has several of is their mean.",
)
@click.option(
    "--overlap",
    metavar="NAMES",
    callback=rule_list,
    help="Write nothing; say how far these recipes and plan files agree (`all`: every recipe).",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    help="Of --overlap.  [default: text]",
)
@click.option("--dry-run", is_flag=True, help="Print the table and the plan, and write nothing.")
@click.option("--list", is_flag=True, is_eager=True, expose_value=False, callback=_list,
              help="List the steps that a plan may hold, and the recipes.")  # fmt: skip
def command(
    source: str,
    output: Path | None,
    plan: Path | None,
    *,
    scores: tuple[Path, ...],
    overlap: list[str] | None,
    form: str,
    dry_run: bool,
    **options: Any,
) -> None:
    """Curate SRC, a converted set: by default, drop the pairs that break rules with a safe fix.

    Steps run in the order of the options below, or of the plan. Removed pairs go to OUTPUT's sibling
    .removed file with the column `reason`; OUTPUT's manifest holds the plan and accounts for all.
    Doing it again removes nothing more.

    \b
    Examples:
      prefdata curate pairs.parquet -o curated.parquet
      prefdata curate pairs.parquet -o curated.parquet --majority --cap 4 --balance-length
      prefdata curate pairs.parquet --dry-run --select identical-pair,tied-score
      prefdata curate pairs.parquet --recipe selective-dpo --scores out/dpo/pairs.parquet -o easy.parquet
      prefdata curate pairs.parquet --scores out/dpo/pairs-train.parquet --overlap all
    """
    numbers = _numbers(scores)
    if overlap is not None:
        _refuse_beside_overlap(output=output, plan=plan, dry_run=dry_run, **options)
        _tell(_overlap(source, named_plans(overlap), numbers), form)
        return
    if output is None and not dry_run:
        raise click.UsageError("name the output with -o, or look first with --dry-run")
    asked = chosen_plan(plan, options)
    try:
        judged = _judged(source, _settled_before(source, asked, scores) or asked, numbers)
    except InputError as error:
        raise _of_another_set(source, scores, numbers) or error from error
    verdict = judged.verdict
    if dry_run or output is None:
        last = f"nothing was written; the plan, for --plan:\n\n{plan_text(verdict.plan)}".rstrip()
    else:
        last = f"wrote {', '.join(map(str, _write(judged, source, output, asked, scores)))}"
    for line in (*_table(verdict), last):
        click.echo(line)


class _Judged(NamedTuple):
    """What a plan says of a source; its pairs, if they had to be in memory for that."""

    verdict: Verdict
    pairs: pl.DataFrame | None


def _judged(source: str, plan: Plan, scores: pl.DataFrame | None) -> _Judged:
    from prefdata.conversion import read_pairs
    from prefdata.curate.run import judge, side_car
    from prefdata.curate.streaming import can_stream, judge_file

    if can_stream(source, plan):
        with reading_progress((source,)) as progress:
            return _Judged(judge_file(source, plan, scores, progress=progress), None)
    pairs = read_pairs(source)
    return _Judged(judge(side_car(pairs, plan, scores), plan), pairs)


def _overlap(source: str, plans: dict[str, Plan], scores: pl.DataFrame | None) -> Overlap:
    from prefdata.conversion import read_pairs
    from prefdata.curate.overlap import overlap, together
    from prefdata.curate.run import side_car
    from prefdata.curate.streaming import can_stream, side_car_of_file

    wanted = together(plans)
    if not can_stream(source, wanted):
        return overlap(side_car(read_pairs(source), wanted, scores), plans)
    with reading_progress((source,)) as progress:
        keys = side_car_of_file(source, wanted, scores, progress=progress)
    return overlap(keys, plans)


def _numbers(scores: tuple[Path, ...]) -> pl.DataFrame | None:
    from prefdata.scores import read_columns

    return read_columns(*scores) if scores else None


def _of_another_set(
    source: str, scores: tuple[Path, ...], numbers: pl.DataFrame | None
) -> InputError | None:
    """Returns the error that says so where the files score none of the pairs."""
    from prefdata.conversion import read_pairs

    if numbers is None:
        return None
    ids = read_pairs(source)["id"]
    if ids.is_empty() or ids.is_in(numbers["id"].to_list()).any():
        return None
    return InputError(
        f"{', '.join(map(str, scores))}: scores none of these {len(ids):,} pairs",
        hint="give the set that was scored; a pair's id changes with its text",
    )


def _refuse_beside_overlap(**options: Any) -> None:
    given = [name for name, value in options.items() if value not in (None, False)]
    if given:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise click.UsageError(f"--overlap writes no set: leave out {names}")


def _tell(found: Overlap, form: str) -> None:
    from prefdata.render.overlap import overlap_lines

    lines = [found.model_dump_json(indent=2)] if form == "json" else overlap_lines(found)
    for line in lines:
        click.echo(line)


def _settled_before(source: str, plan: Plan, scores: tuple[Path, ...]) -> Plan | None:
    """Returns the plan with the thresholds it had when it made SRC, if it did, by the same scores.

    Quantiles of what a plan has kept are others than those of what it was given.
    """
    import json

    from prefdata.curate.plan import read_plan
    from prefdata.io.manifest import sibling

    file = sibling(Path(source), ".manifest.json")
    if not file.is_file():
        return None
    settings = json.loads(file.read_bytes()).get("settings", {})
    if settings.get("plan") != plan.model_dump(mode="json", exclude_none=True):
        return None
    if settings.get("scores", {}) != _digests(scores):
        return None
    return read_plan(settings["settled"], str(file))


def _digests(scores: tuple[Path, ...]) -> dict[str, str]:
    from prefdata.io.manifest import sha256

    return {str(path): sha256(path) for path in scores}


def _table(verdict: Verdict) -> list[str]:
    from prefdata.checks import RULES

    removed = verdict.removed.height
    kept = verdict.pairs - removed
    lines = [f"{verdict.pairs:,} pairs in = {kept:,} kept + {removed:,} removed"]
    codes = {rule.name: rule.code for rule in RULES}
    reasons = [(codes.get(name, "~"), name, count) for name, count in verdict.counts.items()]
    labels = [(name if code == "~" else f"{code} {name}", n) for code, name, n in sorted(reasons)]
    return lines + [f"{count:>9,}  {label}" for label, count in labels]


def _write(
    judged: _Judged, source: str, output: Path, asked: Plan, scores: tuple[Path, ...]
) -> list[Path]:
    from prefdata.curate.run import divided
    from prefdata.curate.streaming import write_judged
    from prefdata.curate.write import account_for, refuse_parts, write_parts
    from prefdata.io.manifest import sibling

    verdict, removed = judged.verdict, sibling(output, f".removed{output.suffix}")
    account: dict[str, Any] = {
        "source": source,
        "command": ["prefdata", *sys.argv[1:]],
        "outputs": [output],
        "reasons": verdict.counts,
        "settings": {
            "plan": asked.model_dump(mode="json", exclude_none=True),
            "settled": verdict.plan.model_dump(mode="json", exclude_none=True),
            **({"scores": _digests(scores)} if scores else {}),
        },
    }
    if judged.pairs is not None:
        parts = divided(judged.pairs, verdict)
        return write_parts({output: parts.kept, removed: parts.removed}, **account)
    refuse_parts([output, removed], source, [output])
    with reading_progress((source,)) as progress:
        write_judged(source, verdict, output, removed, progress=progress)
    gone = verdict.removed.height
    return account_for({output: verdict.pairs - gone, removed: gone}, **account)
