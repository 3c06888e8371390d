"""A sweep as one HTML file: no script, nothing fetched, a pure function of its JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from prefalign.comparison.record import Run
from prefalign.metrics import Estimate
from prefalign.report.charts import DotChart, dot_chart
from prefalign.report.curves import Curve, CurveChart, curve_chart
from prefalign.report.environment import environment
from prefalign.report.sweep_words import setting_words, shown, value_word, verdict
from prefalign.report.words import duration, nats, percent
from prefalign.sweep.record import Outcome, Sweep

Measured = tuple[Outcome, Run]

_MOST_DOTS = 24


def render_sweep(sweep: Sweep) -> str:
    """Returns the page. All text from settings and models is escaped."""
    return (
        environment()
        .get_template("sweep.html.j2")
        .render(
            sweep=sweep,
            verdict=verdict(sweep),
            overview=_overview(sweep),
            charts=[chart for group in sweep.groups for chart in _charts(sweep, group)],
            rows=[_row(*measured) for measured in sweep.measured()],
            failures=[outcome for outcome in sweep.outcomes if outcome.failure is not None],
        )
    )


def _row(outcome: Outcome, run: Run) -> dict[str, str]:
    return {
        "name": outcome.name,
        "accuracy": shown(run.metrics.accuracy_reference),
        "chosen": nats(run.metrics.drift_chosen.value),
        "rejected": nats(run.metrics.drift_rejected.value),
        "nll": f"{run.metrics.nll_chosen.value:.3f}",
        "reference": {True: "needed", False: "none", None: "-"}[outcome.needs_reference],
        "time": duration(run.cost.seconds) if run.cost else "-",
    }


def _overview(sweep: Sweep) -> DotChart | None:
    """Returns the trials side by side, the best first; None where there is nothing to compare."""
    measured = sweep.measured()[:_MOST_DOTS]
    if len(measured) < 2:
        return None
    tones = {group: tone for tone, group in enumerate(sweep.groups, start=1)}
    rows = [
        (outcome.name, tones[outcome.group], run.metrics.accuracy_reference)
        for outcome, run in measured
    ]
    ends = [end for _, _, estimate in rows for end in (estimate.low, estimate.high)]
    return dot_chart(
        rows,
        title="Held-out accuracy relative to the reference, %",
        note="a colour for each run file; the dashed line is the untouched model",
        show=percent,
        mark=lambda share: f"{100 * share:.0f}",
        span=(min(0.5, *ends), max(0.5, *ends)),
        baseline=0.5,
        width=1040,
    )


def _charts(sweep: Sweep, group: str) -> Iterator[CurveChart]:
    """Yields a run file's accuracy and drift over the first setting that takes several values."""
    measured = sweep.measured(group)
    key = axis_of([outcome for outcome, _ in measured])
    if key is None:
        return
    wanted: list[tuple[str, str, Callable[[float], str], Callable[[Run], Estimate], float]] = [
        ("Held-out accuracy relative to the reference, %", "the dashed line is the untouched model",
         lambda share: f"{100 * share:.0f}", lambda run: run.metrics.accuracy_reference, 0.5),
        ("Held-out drift of chosen, nats per token", "below 0 the chosen side lost probability",
         lambda value: f"{value:.3g}", lambda run: run.metrics.drift_chosen, 0.0),
    ]  # fmt: skip
    for title, note, show, read, baseline in wanted:
        yield curve_chart(
            _curves(measured, key, read),
            [value_word(value) for value in _values(measured, key)],
            title=f"{group}: {title}",
            note=f"over {key}; {note}",
            show=show,
            baseline=baseline,
        )


def axis_of(outcomes: list[Outcome]) -> str | None:
    """Returns the first setting of which the trials have more than one value."""
    keys = outcomes[0].settings if outcomes else {}
    return next((k for k in keys if len({str(o.settings[k]) for o in outcomes}) > 1), None)


def _values(measured: list[Measured], key: str) -> list[Any]:
    """Returns the values of a setting: numbers in order, anything else as it was given."""
    values = list({str(o.settings[key]): o.settings[key] for o, _ in measured}.values())
    numbers = all(isinstance(value, int | float) for value in values)
    return sorted(values) if numbers else values


def _curves(measured: list[Measured], key: str, read: Callable[[Run], Estimate]) -> list[Curve]:
    """Returns a curve for each combination of the other settings."""
    values = _values(measured, key)
    found: dict[str, list[tuple[int, Estimate]]] = {}
    for outcome, run in measured:
        rest = setting_words(outcome, leave_out=key)
        found.setdefault(rest, []).append((values.index(outcome.settings[key]), read(run)))
    return [Curve(label, tone, found[label]) for tone, label in enumerate(sorted(found), start=1)]
