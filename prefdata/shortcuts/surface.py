"""Surface features of a completion, by family: what shows without reading it.

Counts enter as log(1 + count), so that a feature's difference between two sides is the log of their
ratio. Most hold in any language; refusals and the first person know the words of a few.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import polars as pl

Features = dict[str, pl.Expr]

_REFUSAL = (
    r"(?i)I['\u2019]m sorry|I am sorry|I apologi[sz]e|I can['\u2019]t|I cannot|I won['\u2019]t|I['\u2019]m not able"
    r"|I['\u2019]m unable|as an AI|抱歉|对不起|我无法|申し訳|lo siento|no puedo|désolé|je ne peux pas|tut mir leid"
    r"|ich kann nicht|извините|я не могу"
)
_FIRST_PERSON = r"\b(?:I|I'm|I've|I'd|me|my|My|yo|mi|je|Je|ich|Ich|mein|я|Я)\b|我"
_INTERROGATIVE = r"(?i)^(?:what|why|how|who|when|where|which|are|is|do|does|did|can|could|would)\b"
_EMOJI = "[\U0001f300-\U0001faff\u2600-\u27bf]"
_END_OF_TEXT = r"</s>|<\|[a-z_]+\|>|<eos>|<end_of_turn>|\[EOS\]"


def _count(text: pl.Expr, pattern: str) -> pl.Expr:
    return _log(text.str.count_matches(pattern))


def _count_literally(text: pl.Expr, *words: str) -> pl.Expr:
    return _log(pl.sum_horizontal(text.str.count_matches(word, literal=True) for word in words))


def _log(count: pl.Expr) -> pl.Expr:
    return count.cast(pl.Float64).log1p()


def _length(text: pl.Expr) -> Features:
    return {
        "characters": _log(text.str.len_chars()),
        "words": _count_literally(text, " ", "\n"),
        "lines": _count_literally(text, "\n"),
        "sentences": _count(text, r"[.!?。\uFF01\uFF1F]"),
    }


def _markdown(text: pl.Expr) -> Features:
    lines = pl.lit("\n") + text  # a literal first byte lets the search skip from line to line
    return {
        "bullets": _count(lines, r"\n[ \t]*[-*•+] "),
        "numbers": _count(lines, r"\n[ \t]*\d+[.)] "),
        "headings": _count(lines, r"\n#{1,6} "),
        "table rows": _count(lines, r"\n\|"),
        "bold": _count_literally(text, "**"),
        "code": _count_literally(text, "`"),
        "code blocks": _count_literally(text, "```"),
        "links": _count_literally(text, "]("),
        "emoji": _count(text, _EMOJI),
    }


def _opener(text: pl.Expr) -> Features:
    start = text.str.strip_chars_start()
    return {
        "capital": start.str.contains(r"^\p{Lu}"),
        "small letter": start.str.contains(r"^\p{Ll}"),
        "no letter": start.str.contains(r"^[^\p{L}]"),
        "agreement": start.str.contains(
            r"(?i)^(?:sure|certainly|of course|absolutely|great|yes)\b"
        ),
        "no": start.str.contains(r"(?i)^no\b"),
        "I": start.str.contains(r"^I\b"),
        "interrogative": start.str.contains(_INTERROGATIVE),
    }


def _closer(text: pl.Expr) -> Features:
    end = text.str.strip_chars_end()
    return {
        "full stop": end.str.contains("[.。]$"),
        "exclamation": end.str.contains(r"[!\uFF01]$"),
        "question": end.str.contains(r"[?\uFF1F]$"),
        "cut short": end.str.contains(r"[\p{L}\p{N},\uFF0C]$"),
    }


def _voice(text: pl.Expr) -> Features:
    return {"first person": _count(text, _FIRST_PERSON)}


def _refusals(text: pl.Expr) -> Features:
    return {"refusals": _count(text, _REFUSAL)}


def _questions(text: pl.Expr) -> Features:
    return {"question marks": _count_literally(text, "?", "\uff1f")}


def _white_space(text: pl.Expr) -> Features:
    return {
        "leading": text.str.contains(r"^\s"),
        "trailing": text.str.contains(r"\s$"),
        "double": _count_literally(text, "  "),
        "blank lines": _count_literally(text, "\n\n"),
    }


def _end_of_text(text: pl.Expr) -> Features:
    return {"end of text": _count(text, _END_OF_TEXT)}


def _script(text: pl.Expr) -> Features:
    return {
        "digits": _count(text, "[0-9]"),
        "capitals": _count(text, "[A-Z]"),
        "commas": _count_literally(text, ",", "\uff0c"),
        "bytes beyond ASCII": _log(text.str.len_bytes() - text.str.len_chars()),
    }


FAMILIES: Mapping[str, Callable[[pl.Expr], Features]] = {
    "length": _length,
    "markdown": _markdown,
    "opener": _opener,
    "closer": _closer,
    "refusals": _refusals,
    "first person": _voice,
    "questions": _questions,
    "white space": _white_space,
    "end-of-text marks": _end_of_text,
    "characters": _script,
}


def names() -> list[tuple[str, str]]:
    """Returns family and name of every feature, in the order of `surface_features`."""
    some_text = pl.lit("")
    return [(family, name) for family, of in FAMILIES.items() for name in of(some_text)]


def surface_features(text: str) -> list[pl.Expr]:
    """Returns the features of a text column as f64, named `family: name`.

    >>> pl.DataFrame({"text": ["Sure!"]}).select(surface_features("text"))["opener: agreement"][0]
    1.0
    """
    return [
        feature.cast(pl.Float64).alias(f"{family}: {name}")
        for family, of in FAMILIES.items()
        for name, feature in of(pl.col(text)).items()
    ]
