"""What all pages are made with: templates beside this module, and the style sheet of prefdata's page."""

from __future__ import annotations

import re
from functools import cache

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

_NEGATIVE = re.compile(r"(?<!\w)-(?=\d)")
_LONGEST_TEXT = 4000  # characters of one sample text that are shown


@cache
def environment() -> Environment:
    """Returns the templates; what they are given is escaped."""
    templates = Environment(
        loader=ChoiceLoader(  # the style sheet is that of prefdata's page
            [PackageLoader(f"{tool}.report", "templates") for tool in ("prefalign", "prefdata")]
        ),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters["minus"] = _minus
    templates.filters["cut"] = _cut
    return templates


def _minus(number: str) -> str:
    """Returns text whose negative numbers have the minus sign of typography."""
    return _NEGATIVE.sub("\N{MINUS SIGN}", number)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]} \N{HORIZONTAL ELLIPSIS}"
