"""A report as one HTML file: no script, nothing fetched, a pure function of its JSON."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from prefdata.report import words
from prefdata.report.charts import Chart
from prefdata.report.differences import Piece, difference
from prefdata.report.drawings import charts
from prefdata.report.model import Report, Sample
from prefdata.report.samples import SAMPLES
from prefdata.report.visible import prose, visible

MOST_BYTES = 2_000_000
GENERATOR = "prefdata report"


def render(report: Report) -> str:
    """Returns the page, of at most `MOST_BYTES` in UTF-8.

    It shows fewer samples of each rule where they would not fit; the page says so.
    """
    drawn = charts(report)
    pages = (_page(report, drawn, samples) for samples in range(SAMPLES, -1, -1))
    return next(page for page in pages if len(page.encode()) <= MOST_BYTES)


def _page(report: Report, drawn: list[Chart], samples: int) -> str:
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            report=report,
            title=words.subject(report),
            verdict=words.verdict(report),
            charts=drawn,
            most_samples=samples,
            left_out=samples < SAMPLES,
            generator=GENERATOR,
        )
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("prefdata.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "visible": visible,
        "prose": prose,
        "number": words.number,
        "amount": words.amount,
        "rate": words.rate,
    }
    environment.globals |= {"tally": words.tally, "facts": words.facts, "sides": _sides}
    return environment


def _sides(sample: Sample) -> list[tuple[str, list[tuple[str, int, int, list[Piece]]]]]:
    """Returns chosen and rejected: for each of their turns role, characters cut, and pieces."""
    both = sample.chosen, sample.rejected
    if len(sample.chosen) == len(sample.rejected):
        compared = [difference(a.text, b.text) for a, b in zip(*both, strict=True)]
    else:
        compared = []
    sides = []
    for side, (name, turns) in enumerate(zip(("chosen", "rejected"), both, strict=True)):
        pieces = [found[side] for found in compared] or [
            [Piece(t.text, changed=False)] for t in turns
        ]
        sides.append(
            (name, [(t.role, t.before, t.more, p) for t, p in zip(turns, pieces, strict=True)])
        )
    return sides
