"""A sweep as sentences and as lines of a table."""

from __future__ import annotations

from collections.abc import Iterator

from prefalign.comparison.record import Run
from prefalign.metrics import Estimate
from prefalign.report.words import percent, points, with_interval
from prefalign.sweep.record import Outcome, Sweep


def verdict(sweep: Sweep) -> list[str]:
    """Returns which setting came out best, and how far the best of each other run file is behind."""
    measured = sweep.measured()
    if not measured:
        return ["No trial came to its end."]
    outcome, run = measured[0]
    accuracy = run.metrics.accuracy_reference
    level = sum(its.metrics.accuracy_reference.value == accuracy.value for _, its in measured)
    right = with_interval(accuracy, percent)
    sentences = [
        f"{outcome.name} orders most held-out pairs right: {right} %."
        if level == 1
        else f"{level} of {len(measured)} trials order as many held-out pairs right: {right} %."
    ]
    for group in sweep.groups:
        rivals = sweep.measured(group)
        if group != outcome.group and rivals:
            sentences.append(_behind(*rivals[0]))
    sentences += _without_reference(sweep)
    if len(measured) > 2:
        sentences.append(
            "The best of several is picked on the pairs it is measured on, so its lead flatters it:"
            " confirm it on others, with prefalign compare --pairs."
        )
    return sentences


def _without_reference(sweep: Sweep) -> list[str]:
    """Returns whether a loss without a reference reaches those with one, where both were tried."""
    without, with_one = sweep.best_of(reference=False), sweep.best_of(reference=True)
    if without is None or with_one is None:
        return []
    (outcome, run), (other, its) = without, with_one
    leads = run.metrics.accuracy_reference.value > its.metrics.accuracy_reference.value
    trailing = (its if leads else run).against_best
    if trailing is None:
        raise ValueError(f"{run.name} and {its.name} were not compared")
    if trailing.accuracy_reference.high < 0:
        said = "does better than" if leads else "does not reach"
    else:
        said = "cannot, on these pairs, be told from"
    best = ", ".join(
        f"{each.name} {shown(found.metrics.accuracy_reference)} %"
        for each, found in (without, with_one)
    )
    return [f"Without a reference, {outcome.method} {said} {other.method}: {best}."]


def _behind(outcome: Outcome, run: Run) -> str:
    against = run.against_best
    if against is None:
        raise ValueError(f"{run.name} was not compared with the best run")
    gap = against.accuracy_reference
    span = f"{with_interval(gap, points)} points"
    if gap.high < 0:
        return f"The best of {outcome.group}, {outcome.name}, is behind it: {span}."
    return f"The best of {outcome.group}, {outcome.name}, cannot be told from it: {span}."


def lines(sweep: Sweep) -> Iterator[str]:
    """Yields a table, the best trial first, failures last, and the verdict."""
    width = max(len(outcome.name) for outcome in sweep.outcomes)
    yield f"{'trial':<{width}}  accuracy relative to reference, %"
    for outcome, run in sweep.measured():
        yield f"{outcome.name:<{width}}  {with_interval(run.metrics.accuracy_reference, percent)}"
    for outcome in sweep.outcomes:
        if outcome.failure is not None:
            yield f"{outcome.name:<{width}}  failed: {outcome.failure}"
    yield from verdict(sweep)


def setting_words(outcome: Outcome, leave_out: str | None = None) -> str:
    """Returns the varied settings of a trial, `beta 0.1, learning_rate 1e-05`.

    Args:
        outcome: the trial.
        leave_out: a key that is shown elsewhere.
    """
    return ", ".join(
        f"{key.rpartition('.')[2]} {value_word(value)}"
        for key, value in outcome.settings.items()
        if key != leave_out
    )


def value_word(value: object) -> str:
    """Returns a setting's value as people write it."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def shown(estimate: Estimate) -> str:
    """Returns a share with its interval."""
    return with_interval(estimate, percent)
