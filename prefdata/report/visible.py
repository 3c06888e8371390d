"""Text of unknown origin for a page: escaped, and what one would not see, or be misled by, shown."""

from __future__ import annotations

import re

from markupsafe import Markup, escape

# Controls but tab and newline, marks that change the direction of text, spaces without width (the
# joiners stay: emoji and scripts are written with them), line separators, tags, private use.
_HIDDEN = re.compile(
    "([\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u00ad\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\U000e0000-\U000e007f])\\1*"
)
_CODE = re.compile(r"`([^`]+)`")


def visible(text: str) -> Markup:
    """Returns text as HTML in which hidden characters stand as their code points, runs once.

    >>> visible("<b>\u202e\u202e{{ 1 }}")
    Markup('&lt;b&gt;<span class="hidden">U+202E x2</span>{{ 1 }}')
    """
    parts, end = [], 0
    for found in _HIDDEN.finditer(text):
        parts += [escape(text[end : found.start()]), _shown(found)]
        end = found.end()
    return Markup("").join([*parts, escape(text[end:])])


def plain(text: str, limit: int) -> str:
    """Returns text for one line of a chart: hidden characters as code points, cut by width.

    >>> plain("a\u202eb and more", 8)
    'aU+202E…'
    """
    shown = _HIDDEN.sub(lambda found: _code_point(found[1]), " ".join(text[: 4 * limit].split()))
    return shown if len(shown) <= limit else f"{shown[: limit - 1]}…"


def prose(text: str) -> Markup:
    """Returns our own words as HTML, what stands between backticks as code."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))


def _shown(found: re.Match[str]) -> Markup:
    times = f" x{len(found[0]):,}" if len(found[0]) > 1 else ""
    return Markup('<span class="hidden">{}</span>').format(_code_point(found[1]) + times)


def _code_point(char: str) -> str:
    return f"U+{ord(char):04X}"
