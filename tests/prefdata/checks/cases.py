"""The case files in tests/rules, one a rule, and how a case is run: from a file to findings.

A file has the keys `pass` (silent), `fail` (`found`: the rows it points at, null for the whole set;
`left`: the rows that remain after `prefdata curate --select RULE`), `refused` (the whole file is) and
`counted` (named in the reasons of a conversion, and no finding). A case is the text of a source, or a
mapping with `text` and, where needed, `suffix`, `against`, `max_length`, `template`, `map` (as --map), `ties` (as
--ties), `manifest` (its JSON), `benchmark` (prompts, one a line), and `joined`: the text of labels.jsonl,
joined as `join` says (as --join labels.jsonl:JOIN), and `scores`: a table with tabs of log-probs by `row`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import yaml

from prefdata.checks import RULES, Benchmark, Provenance, Rule
from prefdata.conversion import Conversion, ConvertOptions, convert
from prefdata.converting.join import read_join
from prefdata.formats import Options
from prefdata.lint import Findings, lint
from prefdata.pairing import Pairing, TiePolicy
from prefdata.scores import read_scores

FOLDER = Path(__file__).parents[2] / "rules"
RULE_NAMES = RULES.names()


class Case(NamedTuple):
    """One source and what it is checked with."""

    rule: Rule
    text: str
    suffix: str = "jsonl"
    against: str | None = None
    max_length: int | None = None
    template: str | None = None
    map: dict[str, str] | None = None
    ties: TiePolicy = "keep"
    found: list[int | None] | None = None
    left: list[int] | None = None
    join: str = ""
    joined: str | None = None
    manifest: dict[str, Any] | None = None
    benchmark: str | None = None
    scores: str | None = None


def cases(kind: str) -> list[Case]:
    """Every case under `kind` of every rule."""
    return [case for name in RULE_NAMES for case in cases_of(name, kind)]


def cases_of(name: str, kind: str) -> list[Case]:
    content: dict[str, list[Any]] = yaml.safe_load((FOLDER / f"{name}.yaml").read_text("utf-8"))
    assert set(content) <= {"pass", "fail", "refused", "counted"}
    rule = RULES.get(name)
    return [
        Case(rule, **(item if isinstance(item, dict) else {"text": item}))
        for item in content.get(kind, [])
    ]


def converted(case: Case, folder: Path) -> Conversion:
    source = folder / f"case.{case.suffix}"
    source.write_text(case.text, encoding="utf-8")
    joins = ()
    if case.joined is not None:
        labels = folder / "labels.jsonl"
        labels.write_text(case.joined, encoding="utf-8")
        joins = (read_join(f"{labels}:{case.join}"),)
    options = ConvertOptions(
        reading=Options(mapping=case.map), pairing=Pairing(ties=case.ties), joins=joins
    )
    return convert([source], options)


def run(case: Case, folder: Path, model: Path) -> Findings:
    """The findings of the case's rule alone."""
    conversion = converted(case, folder)
    found = {"quarantine": conversion.quarantine, "ties": conversion.ties}
    return lint_pairs(case, conversion.pairs, folder, model, **found)


def lint_pairs(
    case: Case, pairs: pl.DataFrame, folder: Path, model: Path, **options: Any
) -> Findings:
    against = case.against and converted(case._replace(text=case.against), folder).pairs
    tokens = facts(case, pairs, model) if case.max_length or case.template else None
    if case.rule.needs == "provenance":
        path = str(folder / f"case.{case.suffix}")
        options["provenance"] = (Provenance(path=path, manifest=case.manifest),)
    if case.benchmark is not None:
        prompts = pl.Series(case.benchmark.splitlines(), dtype=pl.String)
        options["benchmarks"] = (Benchmark("quiz.txt", prompts),)
    if case.scores is not None:
        options["scores"] = scores_of(case.scores, pairs, folder)
    return lint(pairs, select=[case.rule.name], against=against, tokens=tokens, **options)


def scores_of(table: str, pairs: pl.DataFrame, folder: Path) -> pl.DataFrame:
    """The scores as a file by pair id gives them."""
    path = folder / "scores.parquet"
    rows = pl.read_csv(table.encode(), separator="\t")
    rows.join(pairs.select("row", "id"), on="row").drop("row").write_parquet(path)
    return read_scores(path)


def facts(case: Case, pairs: pl.DataFrame, model: Path) -> pl.DataFrame:
    from prefdata.tokens import load_tokenizer, measure_pairs

    tokenizer = load_tokenizer(model)
    tokenizer.bos_token = "<|endoftext|>"
    tokenizer.chat_template = case.template or tokenizer.chat_template
    return measure_pairs(tokenizer, pairs, case.max_length or 1000)
