"""What a run leaves when it is over: its model, its held-out scores, `run.json` and the model card."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from accelerate.utils import gather_object

from prefalign.data.batches import tokens_seen
from prefalign.metrics import PairMetrics, PairScores, summarise
from prefalign.models.adapters import trains_adapters
from prefalign.models.loading import device_name
from prefalign.models.tokenizer import tokenizer_of
from prefalign.models.weights import trained_size
from prefalign.publishing.card import write_card
from prefalign.publishing.licence import stated_licence
from prefalign.records.run import (
    MODEL_DIR,
    Cost,
    ModelRecord,
    RunRecord,
    versions,
    write_pairs,
    write_run,
)
from prefalign.trainer import PreferenceTrainer
from prefalign.training.measure import Measured
from prefalign.training.peak import peak_resident

if TYPE_CHECKING:
    from prefalign.run import Run


def write_results(run: Run, trainer: Measured, *, kept: int | None) -> RunRecord:
    """Writes a run's results into its directory and returns the record; every process calls this.

    Args:
        run: what was trained.
        trainer: with the model that is to be kept.
        kept: the step of that model; None where it is the last one.
    """
    directory = run.config.output.dir
    record = _record(run, trainer, kept)
    trainer.save_model(str(directory / MODEL_DIR))
    if run.is_first:
        instruments = trainer.instruments
        tokenizer_of(run.config.model).save_pretrained(directory / MODEL_DIR)
        for log in (instruments.evaluations, instruments.trained):
            if log is not None:
                log.close()
        if instruments.held_out is not None:
            write_pairs(directory, instruments.held_out.record())
        write_run(directory, record)
        write_card(directory, record)
    return record


def _record(run: Run, trainer: Measured, kept: int | None) -> RunRecord:
    cost = _cost(run, trainer)  # before a model's card is looked up
    return RunRecord(
        config=run.config.model_dump(mode="json"),
        engine=run.config.engine,
        precision=run.precision,
        model=_model(run, trainer),
        train=run.train_set.record(),
        test=run.test_set.record() if run.test_set else None,
        cost=cost,
        train_loss=_last_loss(trainer),
        kept_step=kept,
        metrics=_metrics(run, trainer),
        versions=versions(),
    )


def _model(run: Run, trainer: Measured) -> ModelRecord:
    policy = trainer.accelerator.unwrap_model(trainer.model)
    return ModelRecord(
        name=run.config.model.name,
        adapters_of=run.adapters_of,
        architecture=run.architecture,
        digest=run.digest,
        base_digest=run.base_digest,
        licence=stated_licence(run.adapters_of or run.config.model.name),
        parameters=run.parameters,
        trainable_parameters=trained_size(policy),
    )


def _metrics(run: Run, trainer: Measured) -> PairMetrics | None:
    held_out = trainer.instruments.held_out
    if held_out is None or run.test_set is None:
        return None
    scores, reference = PairScores.of(held_out.scores), PairScores.of(held_out.reference)
    return summarise(scores, reference, run.test_set.prompt_ids)


def _cost(run: Run, trainer: Measured) -> Cost:
    spent = trainer.spent_so_far()
    steps = trainer.state.global_step
    tokens = _tokens_seen(run, trainer, steps)
    forward = 2.0 * run.parameters
    backward = forward if trains_adapters(run.config.model) else 2 * forward
    device = run.arguments.device
    return Cost(
        steps=steps,
        pairs_seen=run.pairs_seen(steps),
        tokens_seen=tokens,
        flops=tokens * (forward + backward),
        reference_flops=run.train_set.tokens * forward if run.config.needs_reference else 0.0,
        reference_pairs=spent.reference_pairs,
        seconds=spent.seconds,
        peak_memory_bytes=max(gather_object([_peak_memory(device)])),
        device=device_name(device),
        processes=run.arguments.world_size,
    )


def _tokens_seen(run: Run, trainer: Measured, steps: int) -> int:
    if isinstance(trainer, PreferenceTrainer):
        return tokens_seen(trainer.batches, steps)
    # TRL has an order of its own: exact after whole epochs
    return round(run.train_set.tokens * run.pairs_seen(steps) / len(run.train_set.store))


def _last_loss(trainer: Measured) -> float:
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    return float(losses[-1])


def _peak_memory(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return peak_resident()
