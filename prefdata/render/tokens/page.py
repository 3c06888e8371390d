"""Rows as one HTML file: no script, nothing fetched, every text escaped."""

from __future__ import annotations

from functools import cache, partial

from jinja2 import Environment, PackageLoader, StrictUndefined

from prefdata.render.pair import printable
from prefdata.render.tokens import ComparisonView, Span, TokenView
from prefdata.render.tokens.words import (
    counted,
    counted_side,
    run_line,
    shortened,
    sides_line,
    verdict,
)

_LONGEST = 4_000  # characters of a stretch that are shown: a page scrolls


def as_page(view: TokenView, *, full: bool = False) -> str:
    """Returns rows as a page; `full` shows long texts whole."""
    return _environment().get_template("pairs.html.j2").render(view=view, full=full)


def comparison_page(view: ComparisonView, rows: int) -> str:
    """Returns a page of the first `rows` rows on which two trainers disagree, and all ways."""
    return _environment().get_template("comparison.html.j2").render(view=view, rows=rows)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("prefdata.render.tokens", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"printable": printable}
    environment.globals |= {
        "run_line": run_line,
        "counted": counted,
        "counted_side": counted_side,
        "sides_line": sides_line,
        "shortened": partial(shortened, longest=_LONGEST),
        "verdict": verdict,
        "classes": _classes,
    }
    return environment


def _classes(span: Span) -> str:
    names = ("special", "cut", "differs")
    return " ".join(name for name in names if getattr(span, name))
