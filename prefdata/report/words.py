"""Numbers as people read them, and the verdict on a set."""

from __future__ import annotations

from prefdata.report.model import Report, RuleRun, Share
from prefdata.types import Level

_VERBS: dict[Level, tuple[str, str]] = {
    "error": ("fails", "fail"),
    "warning": ("warns", "warn"),
    "info": ("notes something", "note something"),
}


def percent(share: float) -> str:
    """Returns a share as per cent, with a decimal below 10 and none of 0 and 1.

    >>> percent(0.0594), percent(0.675), percent(1.0), percent(0.00002)
    ('5.9 %', '68 %', '100 %', '<0.1 %')
    """
    if 0 < share < 0.001:
        return "<0.1 %"
    if 0 < share < 0.1:
        return f"{100 * share:.1f} %"
    return f"{100 * share:.0f} %"


def compact(value: float) -> str:
    """Returns a number of few digits.

    >>> compact(1200), compact(35000), compact(2.5), compact(-0.125), compact(3e6)
    ('1,200', '35k', '2.5', '-0.125', '3M')
    """
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            unit = 1e3 if letter == "k" else size
            return f"{value / unit:.3g}{letter}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def number(count: int, one: str, many: str | None = None) -> str:
    """Returns a count with its noun.

    >>> number(1, "pair"), number(2000, "pair")
    ('1 pair', '2,000 pairs')
    """
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def interval(share: Share) -> str:
    """Returns a share with its interval, in per cent without the sign."""
    return f"{100 * share.value:.1f} ({100 * share.low:.1f} to {100 * share.high:.1f})"


def subject(report: Report) -> str:
    """Returns what the report is about: the first thing that was read, and how many others."""
    first, *others = [source.name for source in report.made.inputs]
    return f"{first} and {number(len(others), 'other')}" if others else first


def verdict(report: Report) -> str:
    """Returns whether the set is fit to train on, in one sentence."""
    if not report.pairs:
        return "There are no pairs in it."
    levels = [broken.rule.level for broken in report.broken]
    if "error" in levels:
        return "Not fit to train on as it is."
    if "warning" in levels:
        return "Fit to train on, with reservations."
    return "Nothing was found that speaks against training on it."


def tally(report: Report) -> str:
    """Returns how many rules failed, warned, noted something, and found nothing."""
    levels = [broken.rule.level for broken in report.broken]
    counts = [(levels.count(level), verbs) for level, verbs in _VERBS.items()]
    said = [f"{count} {one if count == 1 else many}" for count, (one, many) in counts if count]
    silent = len(report.rules) - len(levels)
    if not said:
        return f"All {number(silent, 'rule')} found nothing."
    first, *rest = said
    first = first.replace(" ", " rule " if first.startswith("1 ") else " rules ", 1)
    return f"{', '.join([first, *rest])}; {silent} found nothing."


def facts(report: Report) -> str:
    """Returns what the set consists of, in one sentence."""
    parts = [f"{number(report.pairs, 'pair')} from {number(report.prompts, 'prompt')}"]
    parts += [number(report.ties, "tie")] if report.ties else []
    parts += [f"{number(report.quarantined, 'row')} set aside"] if report.quarantined else []
    if report.lengths is not None:
        medians = [
            f"{compact(series.median)} of {series.name}"
            for series in report.lengths.series
            if series.median
        ]
        parts += [f"characters in the median: {', '.join(medians)}"]
    return f"{'; '.join(parts)}."


def amount(rule: RuleRun) -> str:
    """Returns how much of the set breaks a rule; nothing of rules about the whole set."""
    if rule.kind == "dataset":
        return ""
    return f"{rule.count:,}"


def rate(rule: RuleRun) -> str:
    """Returns the share of rows that break a rule."""
    if rule.kind == "dataset" or not rule.of:
        return ""
    return percent(rule.count / rule.of)
