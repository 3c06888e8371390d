"""Run directories side by side, on metrics that are computed here, the same for every method."""

from __future__ import annotations

from pathlib import Path

from prefalign.comparison.comparable import refuse_differences, remarks
from prefalign.comparison.finished import FinishedRun, find_runs
from prefalign.comparison.held_out import Evidence, gather
from prefalign.comparison.opinions import judge_opinion, reward_opinion
from prefalign.comparison.record import (
    UNTOUCHED,
    Common,
    Comparison,
    HeldOut,
    HeldOutPoint,
    LossPoint,
    Made,
    Opinion,
    Recipe,
    Run,
    Sample,
)
from prefalign.comparison.samples import write_samples
from prefalign.metrics import RESAMPLES, contrast, summarise
from prefalign.progress import Reporter, Silence
from prefalign.records.run import RunRecord, read_metrics
from prefdata.errors import InputError

_SEED = 0


def compare(
    directories: list[Path],
    *,
    pairs: str | None = None,
    samples: int = 0,
    reward_model: str | None = None,
    judge: str | None = None,
    command: str = "",
    reporter: Reporter | None = None,
) -> Comparison:
    """Returns finished runs side by side, the untouched model first.

    What the runs recorded about their held-out pairs is used as it is; with `pairs`, every model is
    scored on those now.

    Args:
        directories: of runs.
        pairs: canonical pairs to compare on instead of the runs' own held-out pairs.
        samples: how many held-out prompts each model completes.
        reward_model: what scores those completions, if anything does.
        judge: who compares those completions, if anybody does.
        command: how this was asked for.
        reporter: who hears of progress.

    Raises:
        ConfigError: the runs differ in something that makes numbers incomparable; it lists all of it.
        InputError: a directory holds no finished run, or there are no held-out pairs.
    """
    reporter = reporter or Silence()
    runs = find_runs(directories)
    refuse_differences(runs, own_pairs=pairs is None)
    evidence = gather(runs, pairs, reporter)
    written = write_samples(runs, evidence.pairs, samples, reporter)
    measured = _measured(runs, evidence)
    opinions = _opinions(written, _best(measured), reward_model, judge, reporter)
    reporter.close()
    return Comparison(
        common=_common(runs[0].record),
        held_out=_held_out(evidence),
        runs=measured,
        remarks=[*remarks(runs), *evidence.remarks],
        samples=written,
        opinions=opinions,
        made=Made(
            command=command,
            versions=runs[0].record.versions,
            bootstrap_resamples=RESAMPLES,
            seed=_SEED,
        ),
    )


def _best(runs: list[Run]) -> str:
    return max(runs[1:], key=lambda run: run.metrics.accuracy_reference.value).name


def _opinions(
    samples: list[Sample],
    best: str,
    reward_model: str | None,
    judge: str | None,
    reporter: Reporter,
) -> list[Opinion]:
    """Returns what the named models think of the samples.

    Raises:
        InputError: there are no samples to think of, or a model is not of its kind.
    """
    asked = [(reward_model, reward_opinion), (judge, judge_opinion)]
    named = [(name, ask) for name, ask in asked if name is not None]
    if named and not samples:
        raise InputError(
            "there are no completions to compare: the texts of the held-out pairs are gone",
            hint="give pairs with texts: prefalign compare RUN... --pairs FILE",
        )
    return [ask(name, samples, best, reporter) for name, ask in named]


def _common(record: RunRecord) -> Common:
    data = record.config["data"]
    return Common(
        base_model=record.model.name,
        base_model_digest=record.model.digest,
        train_source=record.train.source,
        train_sha256=record.train.sha256,
        train_pairs=record.train.pairs,
        max_length=data["max_length"],
        truncation=data["truncation"],
        token_fingerprint=record.train.token_fingerprint,
    )


def _held_out(evidence: Evidence) -> HeldOut:
    scores = evidence.reference
    return HeldOut(
        source=evidence.source,
        sha256=evidence.sha256,
        token_fingerprint=evidence.token_fingerprint,
        pairs=len(scores.chosen_logps),
        prompts=None if evidence.prompt_ids is None else len(set(evidence.prompt_ids)),
        longer_chosen=int((scores.chosen_tokens > scores.rejected_tokens).sum()),
        longer_rejected=int((scores.chosen_tokens < scores.rejected_tokens).sum()),
    )


def _measured(runs: list[FinishedRun], evidence: Evidence) -> list[Run]:
    """Returns the untouched model and the runs with their metrics, on the same resamples."""
    reference, prompt_ids = evidence.reference, evidence.prompt_ids
    metrics = [summarise(scores, reference, prompt_ids, seed=_SEED) for scores in evidence.scores]
    accuracies = [found.accuracy_reference.value for found in metrics]
    best = evidence.scores[accuracies.index(max(accuracies))]
    untouched = Run(name=UNTOUCHED, metrics=summarise(reference, reference, prompt_ids, seed=_SEED))
    trained = [
        Run(
            name=run.name,
            path=str(run.directory),
            recipe=_recipe(run.record),
            metrics=found,
            against_untouched=contrast(scores, reference, reference, prompt_ids, seed=_SEED),
            against_best=contrast(scores, best, reference, prompt_ids, seed=_SEED),
            cost=run.record.cost,
            losses=_losses(run.directory),
            held_out=_points(run.directory),
        )
        for run, scores, found in zip(runs, evidence.scores, metrics, strict=True)
    ]
    return [untouched, *trained]


def _recipe(record: RunRecord) -> Recipe:
    config = record.config
    lora = config["model"]["lora"]
    return Recipe(
        method=config["method"],
        engine=record.engine,
        learning_rate=config["optim"]["learning_rate"],
        epochs=record.cost.pairs_seen / record.train.pairs,
        global_batch_size=config["batch"]["global_batch_size"],
        lora_rank=lora["r"] if lora else None,
        precision=record.precision,
    )


def _losses(directory: Path) -> list[LossPoint]:
    return [
        LossPoint(pairs_seen=line["pairs_seen"], loss=line["loss"])
        for line in _logged(directory, "train")
    ]


def _points(directory: Path) -> list[HeldOutPoint]:
    names = HeldOutPoint.model_fields
    return [
        HeldOutPoint(**{name: line[name] for name in names}) for line in _logged(directory, "eval")
    ]


def _logged(directory: Path, kind: str) -> list[dict[str, float]]:
    """Returns the lines of one kind in the run's `metrics.jsonl`, none if the file is gone."""
    return [line for line in read_metrics(directory) if line["kind"] == kind]
