"""The numbers of a comparison as rows of text: one column a run, on the terminal and on the page."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from prefalign.comparison.record import Comparison, Run
from prefalign.metrics import Estimate
from prefalign.records.run import Cost
from prefalign.report import words

NOTHING = "-"


class Row(NamedTuple):
    """One quantity; `cells` has a text for each run, the untouched model first."""

    label: str
    cells: list[str]
    main: bool = False


class Group(NamedTuple):
    """Rows under one heading."""

    title: str
    rows: list[Row]


def groups(comparison: Comparison) -> list[Group]:
    """Returns every number of the comparison, in the order of importance."""
    runs, held_out = comparison.runs, comparison.held_out
    longer_chosen = f"longer chosen ({held_out.longer_chosen})"
    longer_rejected = f"longer rejected ({held_out.longer_rejected})"
    lengths = [
        _metric(runs, longer_chosen, "accuracy_longer_chosen", words.percent),
        _metric(runs, longer_rejected, "accuracy_longer_rejected", words.percent),
    ]
    drifts = [_metric(runs, side, f"drift_{side}", words.nats) for side in ("chosen", "rejected")]
    return [
        Group("Pair accuracy, %", _accuracies(runs)),
        Group("Relative, by length, %", lengths),
        Group("Drift, nats per token", drifts),
        Group("Fit, nats per token", [_metric(runs, "NLL of chosen", "nll_chosen", _nll)]),
        Group("Cost", _costs(runs)),
    ]


def _accuracies(runs: list[Run]) -> list[Row]:
    relative = _metric(runs, "relative to reference", "accuracy_reference", words.percent)
    differences = (run.against_untouched for run in runs)
    return [
        relative._replace(main=True),
        Row(
            "over untouched, points",
            [
                NOTHING if d is None else _cell(d.accuracy_reference, words.points)
                for d in differences
            ],
        ),
        _metric(runs, "by summed log-prob", "accuracy_sum", words.percent),
        _metric(runs, "by mean log-prob", "accuracy_mean", words.percent),
    ]


def _metric(runs: list[Run], label: str, name: str, show: Callable[[float], str]) -> Row:
    return Row(label, [_cell(getattr(run.metrics, name), show) for run in runs])


def _cell(estimate: Estimate | None, show: Callable[[float], str]) -> str:
    return NOTHING if estimate is None else words.with_interval(estimate, show)


def _nll(value: float) -> str:
    return f"{value:.3f}"


def _memory(cost: Cost) -> str:
    size = cost.peak_memory_bytes
    return NOTHING if size is None else words.gibibytes(size)


def _costs(runs: list[Run]) -> list[Row]:
    shown: dict[str, Callable[[Cost], str]] = {
        "pairs seen": lambda cost: f"{cost.pairs_seen:,}",
        "tokens seen": lambda cost: f"{cost.tokens_seen:,}",
        "compute (estimate)": lambda cost: words.metric(cost.flops, "FLOP"),
        "for the reference": lambda cost: words.metric(cost.reference_flops, "FLOP"),
        "peak memory": _memory,
        "wall clock": lambda cost: words.duration(cost.seconds),
        "hardware": lambda cost: f"{cost.processes} x {cost.device}",
    }
    return [
        Row(label, [NOTHING if run.cost is None else show(run.cost) for run in runs])
        for label, show in shown.items()
    ]
