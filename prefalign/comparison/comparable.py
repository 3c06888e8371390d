"""Which runs may be compared, and what a reader of the comparison should know."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

from prefalign.comparison.finished import FinishedRun
from prefalign.records.run import RunRecord
from prefdata.errors import ConfigError

Fact: TypeAlias = tuple[str, Callable[[RunRecord], object]]

_MAY_DIFFER: list[Fact] = [
    ("weights trained", lambda record: f"{record.model.trainable_parameters:,}"),
    ("precision", lambda record: record.precision),
    ("engine", lambda record: record.engine),
    ("pairs seen", lambda record: f"{record.cost.pairs_seen:,}"),
    ("pairs a step", lambda record: record.config["batch"]["global_batch_size"]),
]


def refuse_differences(runs: list[FinishedRun], *, own_pairs: bool) -> None:
    """Refuses runs whose numbers would not mean the same.

    Args:
        runs: to be compared.
        own_pairs: they are compared on the held-out pairs that they recorded.

    Raises:
        ConfigError: with everything that must be equal and is not.
    """
    problems = list(_differences(runs, _must_agree(runs, own_pairs=own_pairs)))
    if problems:
        other = "; only the held-out pairs differ? --pairs FILE" if own_pairs else ""
        raise ConfigError(
            problems,
            source="these runs differ in what a comparison needs equal",
            hint=f"train them with one data, model.name, max_length and truncation{other}",
        )


def remarks(runs: list[FinishedRun]) -> list[str]:
    """Returns what may differ between runs, does, and bears on the result."""
    found = list(_differences(runs, _MAY_DIFFER))
    found += [
        f"{run.name}: the model of step {run.record.kept_step} of {run.record.cost.steps}, chosen by its "
        f"{run.record.config['eval']['keep']} on its held-out pairs, where that flatters it"
        for run in runs
        if run.record.kept_step is not None
    ]
    configs = [run.record.config for run in runs]
    methods = {config["method"]["name"] for config in configs}
    rates = {config["optim"]["learning_rate"] for config in configs}
    if len(methods) > 1 and len(rates) == 1:
        found.append(
            "the methods share a learning rate, and each has its own best one: try several"
        )
    return found


def _must_agree(runs: list[FinishedRun], *, own_pairs: bool) -> list[Fact]:
    # A digest is of the weights as they are stored, so across precisions it says nothing.
    stored = {(run.record.precision, run.record.trained_adapters) for run in runs}
    base: Fact = (
        ("base model", lambda record: f"{record.model.name} ({_short(record.model.digest)})")
        if len(stored) == 1
        else ("base model", lambda record: f"{record.model.name} ({record.model.parameters:,})")
    )
    facts: list[Fact] = [
        base,
        ("training data, sha256", lambda record: _short(record.train.sha256)),
        ("max_length", lambda record: record.config["data"]["max_length"]),
        ("truncation", lambda record: record.config["data"]["truncation"]),
        ("training tokens", lambda record: _short(record.train.token_fingerprint)),
    ]
    if own_pairs:
        facts.append(
            (
                "held-out tokens",
                lambda record: record.test and _short(record.test.token_fingerprint),
            )
        )
    return facts


def _differences(runs: list[FinishedRun], facts: list[Fact]) -> Iterator[str]:
    for what, of in facts:
        values = [str(of(run.record)) for run in runs]
        if len(set(values)) > 1:
            each = (f"{run.name} {value}" for run, value in zip(runs, values, strict=True))
            yield f"{what}: {', '.join(each)}"


def _short(digest: str | None) -> str | None:
    return digest and digest[:12]
