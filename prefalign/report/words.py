"""Numbers as people read them, and the verdict of a comparison as one or two sentences."""

from __future__ import annotations

from collections.abc import Callable

from prefalign.comparison.record import Comparison, Run
from prefalign.metrics import Estimate

_PREFIXES = ("", "k", "M", "G", "T", "P", "E")


def percent(share: float) -> str:
    """Returns a share as per cent with one decimal, without the sign: 0.6421 is `64.2`."""
    return f"{100 * share:.1f}"


def points(difference: float) -> str:
    """Returns a difference of shares in percentage points, signed: `+14.2`."""
    return f"{_unsigned_zero(100 * difference, 1):+.1f}"


def with_interval(estimate: Estimate, show: Callable[[float], str]) -> str:
    """Returns `64.2 (55.1 to 73.0)`; a number that is known exactly stands alone."""
    value, low, high = (show(number) for number in (estimate.value, estimate.low, estimate.high))
    return value if low == high == value else f"{value} ({low} to {high})"


def nats(value: float) -> str:
    """Returns nats with three decimals, signed: `-0.031`; nothing moved is `0`."""
    return f"{_unsigned_zero(value, 3):+.3f}" if value else "0"


def _unsigned_zero(value: float, digits: int) -> float:
    """Returns the rounded value; what rounds to -0.0 is 0.0."""
    return round(value, digits) + 0.0


def metric(value: float, unit: str) -> str:
    """Returns a large number with an SI prefix: 3.2e12 FLOP is `3.2 TFLOP`."""
    power = 0
    while abs(value) >= 1000 and power < len(_PREFIXES) - 1:
        value, power = value / 1000, power + 1
    return f"{value:.3g} {_PREFIXES[power]}{unit}"


def gibibytes(size: int) -> str:
    """Returns bytes as GiB with two decimals."""
    return f"{size / 2**30:.2f} GiB"


def duration(seconds: float) -> str:
    """Returns `48 s`, `3 min 12 s` or `2 h 05 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def verdict(comparison: Comparison) -> list[str]:
    """Returns what the held-out pairs say about the untouched model, then about each other."""
    sentences = [_against_untouched(comparison)]
    if len(comparison.trained) > 1:
        sentences.append(_against_each_other(comparison))
    return sentences


def _against_untouched(comparison: Comparison) -> str:
    sides: dict[str, list[str]] = {"better": [], "worse": [], "open": []}
    for run in comparison.trained:
        sides[_side(run.metrics.accuracy_reference)].append(run.name)
    clauses: list[str] = []
    for side in ("better", "worse"):
        if names := sides[side]:
            pairs = "them" if clauses else "held-out pairs"
            both = "both " if len(names) == len(comparison.trained) == 2 else ""
            order = f"{both}order" if len(names) > 1 else "orders"
            clauses.append(f"{_listed(names)} {order} {pairs} {side} than the untouched model")
    if names := sides["open"]:
        clauses.append(f"{_listed(names)} cannot be told from the untouched model on these pairs")
    return "; ".join(clauses) + "."


def _side(accuracy: Estimate) -> str:
    """Returns on which side of one half, the untouched model's accuracy, the interval lies."""
    if accuracy.low > 0.5:
        return "better"
    return "worse" if accuracy.high < 0.5 else "open"


def _against_each_other(comparison: Comparison) -> str:
    best = comparison.best
    rivals = [run for run in comparison.trained if run is not best]
    second = max(rivals, key=lambda run: run.metrics.accuracy_reference.value)
    lead = _lead(second)
    span = f"{points(lead.low)} to {points(lead.high)}"
    if lead.low > 0:
        return f"{best.name} leads {second.name} by {percent(lead.value)} points ({span})."
    if lead.value == 0:
        return f"{best.name} and {second.name} are level."
    return (
        f"{best.name} is {percent(lead.value)} points ahead of {second.name}, which these "
        f"{comparison.held_out.pairs} pairs do not decide ({span})."
    )


def _lead(second: Run) -> Estimate:
    """Returns how far the best run is ahead of `second`."""
    if second.against_best is None:
        raise ValueError(f"{second.name} was not compared with the best run")
    behind = second.against_best.accuracy_reference
    return Estimate(-behind.value, -behind.high, -behind.low)


def opinions(comparison: Comparison) -> list[str]:
    """Returns a sentence for each contest that a reward model or a judge has decided."""
    return [
        f"By the {opinion.kind} {opinion.model}, {contest.name} wins "
        f"{with_interval(contest.wins, percent)} % of {opinion.prompts} prompts against "
        f"{contest.against}, {contest.ties} of them ties."
        for opinion in comparison.opinions
        for contest in opinion.contests
    ]


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
