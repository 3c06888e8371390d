"""A comparison as one HTML file: no script, nothing fetched, a pure function of its JSON."""

from __future__ import annotations

from prefalign.comparison.record import Comparison, Run
from prefalign.metrics import Estimate
from prefalign.report import charts, table, words
from prefalign.report.environment import environment

_SAMPLES = 12  # shown


def render(comparison: Comparison) -> str:
    """Returns the page. All text from data and models is escaped and cut at 4,000 characters."""
    return (
        environment()
        .get_template("page.html.j2")
        .render(
            comparison=comparison,
            verdict=words.verdict(comparison),
            groups=table.groups(comparison),
            accuracies=_accuracy_charts(comparison.runs),
            strata=_strata_charts(comparison),
            opinions=_opinion_charts(comparison),
            samples=comparison.samples[:_SAMPLES],
            lengths=_mean_lengths(comparison),
            curves=_curves(comparison),
            losses=_losses(comparison),
            tones={run.name: tone for tone, run in enumerate(comparison.runs)},
        )
    )


def _estimates(runs: list[Run], name: str) -> list[tuple[str, int, Estimate]]:
    found = ((run.name, tone, getattr(run.metrics, name)) for tone, run in enumerate(runs))
    return [row for row in found if row[2] is not None]


def _span(*rows: list[tuple[str, int, Estimate]]) -> tuple[float, float]:
    """Returns an axis for shares that holds every interval, to the next ten per cent."""
    estimates = [estimate for group in rows for _, _, estimate in group]
    low = min(0.5, *(e.low for e in estimates))
    high = max(0.5, *(e.high for e in estimates))
    return max(0.0, int(low * 10) / 10), min(1.0, -(int(-high * 10 - 1e-9) - 1) / 10)


def _accuracy_charts(runs: list[Run]) -> list[charts.DotChart]:
    wanted = [
        (
            "accuracy_reference",
            "Relative to the reference",
            "Did the model move towards chosen? 50 is the untouched model.",
        ),
        ("accuracy_sum", "By summed log-prob", "Which completion is likelier? Favours short ones."),
        ("accuracy_mean", "By mean log-prob", "Which completion is likelier per token?"),
    ]
    rows = [_estimates(runs, name) for name, _, _ in wanted]
    span = _span(*rows)
    return [
        charts.dot_chart(
            found,
            title=title,
            note=note,
            show=words.percent,
            mark=_percent,
            span=span,
            baseline=0.5,
        )
        for found, (_, title, note) in zip(rows, wanted, strict=True)
    ]


def _strata_charts(comparison: Comparison) -> list[charts.DotChart]:
    held_out = comparison.held_out
    wanted = [
        ("accuracy_longer_chosen", "Longer completion chosen", held_out.longer_chosen),
        ("accuracy_longer_rejected", "Longer completion rejected", held_out.longer_rejected),
    ]
    rows = [_estimates(comparison.trained, name) for name, _, _ in wanted]
    rows = [[(label, tone + 1, e) for label, tone, e in found] for found in rows]
    if not all(rows):
        return []
    span = _span(*rows)
    return [
        charts.dot_chart(
            found,
            title=title,
            note=f"{pairs} pairs",
            show=words.percent,
            mark=_percent,
            span=span,
            baseline=0.5,
            width=480,
        )
        for found, (_, title, pairs) in zip(rows, wanted, strict=True)
    ]


def _opinion_charts(comparison: Comparison) -> list[charts.DotChart]:
    tones = {run.name: tone for tone, run in enumerate(comparison.runs)}
    drawn = []
    for opinion in comparison.opinions:
        rows = [(f"{c.name} against {c.against}", tones[c.name], c.wins) for c in opinion.contests]
        note = f"{opinion.prompts} prompts; ties count one half"
        if opinion.undecided is not None:
            note += f"; {opinion.undecided} answers turned with the order and are ties"
        drawn.append(
            charts.dot_chart(
                rows,
                title=f"The {opinion.kind} {opinion.model}",
                note=note,
                show=words.percent,
                mark=_percent,
                span=(0.0, 1.0),
                baseline=0.5,
                width=480,
            )
        )
    return drawn


def _mean_lengths(comparison: Comparison) -> str:
    """Returns how long the models' completions are, as a clause; empty where that was not counted."""
    counted = [sample.tokens for sample in comparison.samples if sample.tokens]
    if not counted:
        return ""
    means = {name: sum(one[name] for one in counted) / len(counted) for name in counted[0]}
    return ", ".join(f"{name} {mean:.0f}" for name, mean in means.items())


def _curves(comparison: Comparison) -> list[charts.LineChart]:
    runs = list(enumerate(comparison.runs))[1:]
    accuracy = [
        charts.Series(run.name, tone, [(p.pairs_seen, p.accuracy_reference) for p in run.held_out])
        for tone, run in runs
    ]
    drift = [
        charts.Series(
            f"{run.name} {side}",
            tone,
            [(p.pairs_seen, getattr(p, f"drift_{side}")) for p in run.held_out],
            dashed=side == "rejected",
        )
        for tone, run in runs
        for side in ("chosen", "rejected")
    ]
    drawn = [
        charts.line_chart(
            accuracy, title="Held-out accuracy relative to the reference, %",
            note="over training pairs seen", show=_percent, baseline=0.5,
        ),
        charts.line_chart(
            drift, title="Held-out drift of chosen and rejected, nats per token",
            note="over training pairs seen; 0 is the untouched model", show=_plain, baseline=0.0,
        ),
    ]  # fmt: skip
    return [chart for chart in drawn if chart is not None]


def _losses(comparison: Comparison) -> list[charts.LineChart]:
    drawn = []
    for tone, run in list(enumerate(comparison.runs))[1:]:
        raw = [(point.pairs_seen, point.loss) for point in run.losses]
        window = len(raw) // 8
        series = [charts.Series(run.name, tone, raw)]
        note = "over training pairs seen"
        if window > 1:
            smooth = charts.Series(run.name, tone, charts.smoothed(raw, window))
            series = [series[0]._replace(faint=True), smooth]
            note += f"; bold: mean of {window} steps"
        chart = charts.line_chart(
            series, title=f"Training loss of {run.name}", note=note, show=_plain
        )
        drawn.append(chart)
    return [chart for chart in drawn if chart is not None]


def _percent(share: float) -> str:
    return f"{100 * share:.0f}"


def _plain(value: float) -> str:
    return f"{value:.4g}"
