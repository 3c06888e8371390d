"""One training run, seen from one of its processes: from a run file to a run directory."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from traceback import clear_frames
from typing import TYPE_CHECKING, Any

import numpy as np
from accelerate.utils import broadcast_object_list, gather_object
from numpy.typing import NDArray
from transformers import set_seed

from prefalign.config import RunConfig
from prefalign.data.batches import global_batches
from prefalign.data.dataset import GlobalBatches, PairDataset, epoch_order, pairs_seen
from prefalign.data.pair_set import PairSet, read_set
from prefalign.engine.compiled import compile_layers
from prefalign.engine.logps import base_of
from prefalign.engine.self_test import choose_layout
from prefalign.engine.tree import Ints, Layout
from prefalign.errors import Interrupted
from prefalign.losses import NllParams, loss_of
from prefalign.models.adapters import base_under
from prefalign.models.loading import (
    add_lora,
    best_device,
    choose_attention,
    device_name,
    load_model,
    resolve_precision,
)
from prefalign.models.tokenizer import end_remark
from prefalign.models.weights import size_of, trained_size, weights_digest
from prefalign.progress import Phase, Reporter
from prefalign.records.pair_log import PairLog
from prefalign.records.run import (
    EVALUATIONS_FILE,
    TRAINED_FILE,
    MetricsLog,
    RunRecord,
)
from prefalign.results import write_results
from prefalign.scoring.reference import reference_scores
from prefalign.sharding import division, place, refuse_other_pieces, rounded
from prefalign.survival.checkpoints import (
    Spent,
    discard_leftovers,
    read_manifest,
    undamaged_checkpoint,
)
from prefalign.survival.identity import Identity, refuse_another_run, write_identity
from prefalign.survival.out_of_memory import is_out_of_memory, scoring, step_did_not_fit
from prefalign.survival.started import resume_line
from prefalign.survival.stopping import STOP, EvaluationStopped
from prefalign.trainer import PreferenceTrainer, training_arguments
from prefalign.training.best import KeepBest, best_evaluation
from prefalign.training.measure import FirstEvaluation, HeldOut, Instruments, Measured
from prefalign.training.micro_batch import Trial, find, largest, most_worth_trying
from prefalign.training.pace import UsefulWork
from prefalign.trl import engine_for
from prefdata.errors import ConfigError, PrefError

if TYPE_CHECKING:
    import polars as pl
    from transformers import TrainingArguments


def train(config: RunConfig, reporter: Reporter, *, resume: bool = False) -> RunRecord:
    """Trains and writes the run directory; every process of the run calls this.

    Args:
        config: the run file.
        reporter: who hears of progress.
        resume: go on from the newest checkpoint in the run directory, if there is one.

    Raises:
        PrefError: anything that ends the run early.
        Stopped: a signal, before training has begun.
    """
    with STOP.heard():
        run = Run(config, reporter)
        trainer = run.trainer(run.checkpoint_to_resume() if resume else None)
        with STOP.held():
            run.fit(trainer)
            return run.finish(trainer)


class Run:
    """What a run is made of; building it loads the pairs and the untouched model.

    Args:
        config: the run file.
        reporter: who hears of progress.
    """

    def __init__(self, config: RunConfig, reporter: Reporter) -> None:
        self.config = config
        self.reporter = reporter
        self.engine: Any = engine_for(config) if config.engine == "trl" else None
        device = best_device(config.hardware.device)
        self.precision = resolve_precision(config.hardware.precision, device)
        arguments = self.engine.arguments if self.engine else training_arguments
        self.arguments: TrainingArguments = arguments(config, self.precision)
        self.is_first = self.arguments.process_index == 0
        self.division = division(self.arguments)
        self.loss = loss_of(config.method)
        self.train_set = read_set(config.data.train, config, reporter)
        self.test_set = read_set(config.data.test, config, reporter) if config.data.test else None
        self._refuse_different_pairs()
        self.checkpoint: Path | None = None
        self.reference_pairs = 0  # that this process had to score
        self.spent = Spent()  # by earlier starts
        self.reporter.say(
            f"{config.method.name} on {len(self.train_set.store):,} pairs, {config.model.name}, "
            f"{self.precision}, {self.arguments.world_size} x {self.arguments.device.type}"
        )
        self.reporter.say(f"tokens by {self.train_set.store.library}")
        if remark := end_remark(config.model):
            self.reporter.say(remark)
        self.model = self._load_model()
        self.layout = self._choose_layout()
        if config.batch.micro_batch_size == "auto":
            self.config = self._with_micro_batch()

    def _refuse_different_pairs(self) -> None:
        """Refuses to train when processes read different pairs: machines may have copies of their own."""
        ours = [pairs.store.fingerprint for pairs in (self.train_set, self.test_set) if pairs]
        everybody = gather_object([ours])
        others = [rank for rank, theirs in enumerate(everybody) if theirs != everybody[0]]
        if others:
            raise PrefError(
                f"data: process {others[0]} reads other pairs or tokens than the first process",
                hint="give every machine the same files of pairs, and the same tokenizer",
            )

    def _load_model(self) -> Any:
        """Returns the model as it starts, on this process's device or divided among all."""
        set_seed(self.config.optim.seed)
        loaded = load_model(self.config.model, self.precision, self.arguments.device)
        model = rounded(loaded, self.division, self.arguments)
        self.adapters_of = base_under(self.config.model.name)
        reads = self.is_first or self.division == "zero3"  # of which each process has a piece
        digests: list[Any] = [_digests(model) if reads else None]
        broadcast_object_list(digests)
        self.digest, self.base_digest = digests[0]
        self.parameters = _parameters_of_base(model)
        self.architecture = type(base_of(model)).__name__
        policy = self._place(model)
        sets = filter(None, (self.train_set, self.test_set))
        choose_attention(model, max(pairs.longest for pairs in sets))
        return policy

    def _place(self, model: Any) -> Any:
        """Returns `model` where it will run, with the adapters that our trainer gives it."""
        lora = self.config.model.lora
        ours = self.engine is None
        policy = add_lora(model, lora, self.precision) if lora is not None and ours else model
        return place(policy, self.division, self.arguments)

    def _choose_layout(self) -> Layout:
        """Returns how pairs share a forward pass, found out on some of the first batch."""
        data = PairDataset(self.train_set.store.table)
        order = epoch_order(data.prompt_ids, seed=self.config.optim.seed, epoch=0)
        first = order[: self.config.batch.global_batch_size]
        device = self.arguments.device
        verdict = choose_layout(self.model, data, first, device=device, precision=self.precision)
        if remark := verdict.sentence():
            self.reporter.say(remark)
        if self.config.hardware.compile:
            data.layout = verdict.layout
            self._compile(data, first[:2])
        return verdict.layout

    def _compile(self, data: PairDataset, places: Ints) -> None:
        """Compiles the model's layers, if these pairs find nothing against it."""
        if self.division:
            self.reporter.say("layers are not compiled: that is untried on a divided model")
            return
        self.reporter.say("compiling the model's layers")
        device = self.arguments.device
        trial = compile_layers(self.model, data, places, device=device, precision=self.precision)
        if trial.reason:
            self.reporter.say(f"layers are not compiled: {trial.reason}")

    def _with_micro_batch(self) -> RunConfig:
        """Returns the run with the most pairs at once that fit, which nobody knows before they are tried."""
        if self.division:
            raise ConfigError(
                ["batch.micro_batch_size: auto cannot try passes of a model that is divided"],
                source="auto",
                hint="name a number: --set batch.micro_batch_size=4",
            )
        batch, device = self.config.batch, self.arguments.device
        trial = self._trial()
        most = most_worth_trying(
            trial.data, batch.global_batch_size, self.arguments.world_size, device.type
        )
        size = find(trial, most, self.reporter.say)
        self.reporter.say(f"micro-batch: {size} pairs at once, found by trying the longest")
        return self.config.model_copy(
            update={"batch": batch.model_copy(update={"micro_batch_size": size})}
        )

    def _trial(self, optimizer: Any = None) -> Trial:
        if self.config.hardware.gradient_checkpointing:
            self.model.gradient_checkpointing_enable()  # as the trainer will
        return Trial(
            self.model,
            self._pairs(reference=None),
            self.arguments.device,
            self.precision,
            log_sum_sq=self.loss.facts.needs_log_sum_sq,
            processes=self.arguments.world_size,
            offload=self.config.hardware.activation_offloading
            and self.arguments.device.type != "cpu",
            optimizer=optimizer,
        )

    def reference(self, pairs: PairSet, *, tails: bool = False) -> pl.DataFrame:
        """Returns what the model says before any training, computed or from the cache."""
        share = -(-len(pairs.store) // self.arguments.world_size)
        phase = Phase(self.reporter, "reference log-probs", share, "pairs")

        def progress(scored: int) -> None:
            self.reference_pairs += scored
            phase(scored)

        with scoring(self.config.eval.micro_batch_size):
            return reference_scores(
                self.model,
                PairDataset(pairs.store.table, layout=self.layout, tails=tails),
                digest=self.digest,
                with_adapters=self.adapters_of is not None,
                micro_batch_size=self.config.eval.micro_batch_size,
                device=self.arguments.device,
                precision=self.precision,
                progress=progress,
                warn=self.reporter.say,
            )

    def held_out(self) -> HeldOut | None:
        """Returns the test pairs as the reference sees them, or None."""
        if self.test_set is None:
            return None
        reference = self.reference(self.test_set)
        data = PairDataset(self.test_set.store.table, layout=self.layout)
        return HeldOut(data, reference, scores=reference)

    def batches(self) -> GlobalBatches:
        """Returns this process's share of every global batch."""
        reference = self._train_reference() if self.config.needs_reference else None
        return global_batches(
            self.config,
            self._pairs(reference),
            rank=self.arguments.process_index,
            processes=self.arguments.world_size,
        )

    def _pairs(self, reference: NDArray[np.float64] | None) -> PairDataset:
        """Returns the training pairs as the loss reads them."""
        method = self.config.method
        return PairDataset(
            self.train_set.store.table,
            nll_over=method.nll_over if isinstance(method, NllParams) else None,
            reference=reference,
            layout=self.layout,
            tails=self.loss.facts.needs_tails,
            label_probability=self.train_set.label_probability,
        )

    def _train_reference(self) -> NDArray[np.float64]:
        import polars.selectors as cs

        scores = self.reference(self.train_set, tails=self.loss.facts.needs_tails)
        return np.ascontiguousarray(scores.select(cs.ends_with("_logps")).to_numpy())

    def checkpoint_to_resume(self) -> Path | None:
        """Returns the checkpoint that all processes go on from, or None; none of them may be damaged.

        Raises:
            PrefError: there is one, of another run or in the wrong number of pieces, or all are damaged.
        """
        directory = self.config.output.dir
        found: list[Path | None] = [None]
        if self.is_first:
            discard_leftovers(directory)
            found = [undamaged_checkpoint(directory, self.reporter.say)]
        broadcast_object_list(found)
        if found[0] is not None:
            refuse_another_run(directory, self.identity())
            refuse_other_pieces(self.division, found[0], self.arguments.world_size)
        return found[0]

    def identity(self) -> Identity:
        """Returns what makes this run the run it is."""
        return Identity(
            config=self.config.model_dump(mode="json"),
            precision=self.precision,
            model=self.digest,
            train_tokens=self.train_set.store.fingerprint,
            train_pairs=len(self.train_set.store),
            test_tokens=self.test_set.store.fingerprint if self.test_set else None,
            division=self.division,
        )

    def trainer(self, checkpoint: Path | None) -> Measured:
        """Returns the trainer, which goes on from `checkpoint` or starts afresh."""
        self.checkpoint = checkpoint
        after, directory = None, self.config.output.dir
        if checkpoint is not None:
            manifest = read_manifest(checkpoint)
            after, self.spent = manifest.step, manifest.spent
            self.reporter.say(manifest.going_on(self.arguments.world_size))
        elif self.is_first:
            write_identity(directory, self.identity())
        instruments = Instruments(
            held_out=self.held_out(),
            precision=self.precision,
            log=MetricsLog(directory, after=after) if self.is_first else None,
            evaluations=self._pair_log(EVALUATIONS_FILE, after, wanted=self.test_set is not None),
            trained=self._pair_log(TRAINED_FILE, after, wanted=self.config.output.record_train),
            reporter=self.reporter,
            pairs_seen=self.pairs_seen,
        )
        trainer = self._trainer(instruments)
        wanted = self.config.eval
        if wanted.keep != "last":
            trainer.add_callback(KeepBest(wanted.keep, wanted.patience))
        return trainer

    def _trainer(self, instruments: Instruments) -> Measured:
        if self.engine is not None:
            test = self.test_set.store if self.test_set else None
            return self.engine.trainer(  # type: ignore[no-any-return]
                self.model, self.config, self.arguments, self.train_set.store, test, instruments
            )
        batches, name = self.batches(), device_name(self.arguments.device)
        return PreferenceTrainer(
            self.model,
            self.arguments,
            loss=self.loss,
            params=self.config.method,
            batches=batches,
            instruments=instruments,
            useful=UsefulWork.of_run(self.config.model, batches.data, name, self.precision),
            offload=self._offloads(),
        )

    def _offloads(self) -> bool:
        """Returns whether activations leave the device, and says so where there is nowhere to go."""
        asked = self.config.hardware.activation_offloading
        if asked and self.arguments.device.type == "cpu":
            self.reporter.say(
                "hardware.activation_offloading does nothing: all memory is the CPU's"
            )
            return False
        return asked

    def _pair_log(self, name: str, after: int | None, *, wanted: bool) -> PairLog | None:
        """Returns the log of pairs of that name; None on all processes but the first."""
        if not (wanted and self.is_first):
            return None
        return PairLog(self.config.output.dir / name, after=after)

    def pairs_seen(self, steps: int) -> int:
        """Returns the training pairs of the first `steps` optimiser steps, every epoch counted."""
        return pairs_seen(steps, len(self.train_set.store), self.config.batch.global_batch_size)

    def fit(self, trainer: Measured) -> None:
        """Trains, with held-out evaluation at both ends.

        Raises:
            Interrupted: a signal came, and what was trained is saved.
            OutOfMemory: a step did not fit.
        """
        try:
            self._fit(trainer)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            clear_frames(error.__traceback__)  # which hold what there was no room for
            raise step_did_not_fit(self.config.batch, self._fitting(trainer.optimizer)) from error
        finally:
            trainer.close_trackers()

    def _fitting(self, optimizer: Any) -> int | None:
        """Returns how many pairs at once would have fitted, where a process alone can try that; else None."""
        batch = self.config.batch
        alone = self.engine is None and self.arguments.world_size == 1
        if batch.micro_batch_tokens or not alone:
            return None
        return largest(self._trial(optimizer).fits, batch.pairs_at_once)

    def _fit(self, trainer: Measured) -> None:
        scored = self.spent.reference_pairs + sum(gather_object([self.reference_pairs]))
        trainer.begin(Spent(seconds=self.spent.seconds, reference_pairs=scored))
        held_out = trainer.instruments.held_out
        if self.checkpoint is None and held_out is not None:
            trainer.add_callback(FirstEvaluation(trainer.evaluate))
        with suppress(EvaluationStopped):
            trainer.train(resume_from_checkpoint=str(self.checkpoint) if self.checkpoint else None)
            done = trainer.state.global_step
            if held_out is not None and held_out.at_step != done and not STOP.agreed():
                trainer.evaluate()
        if STOP.agreed():
            trainer.save_unless_saved()
            line = resume_line(self.config.output.dir)
            raise Interrupted(
                f"stopped after step {trainer.state.global_step} of {trainer.state.max_steps}, "
                "which is saved",
                signal=STOP.received,
                hint=f"go on with: {line or 'the same command'}",
            )

    def finish(self, trainer: Measured) -> RunRecord:
        """Writes everything that the run leaves, with the model that is to be kept; returns the record."""
        return write_results(self, trainer, kept=self._keep_best(trainer))

    def _keep_best(self, trainer: Measured) -> int | None:
        """Goes back to the model that is to be kept; returns its step, None where that is the last."""
        wanted, state = self.config.eval, trainer.state
        best = best_evaluation(state.log_history, wanted.keep)
        if wanted.keep == "last" or best is None:
            return None
        if state.global_step < state.max_steps:
            self.reporter.say(
                f"stopped after step {state.global_step:,} of {state.max_steps:,}: "
                f"{best.worse} evaluations without a better {wanted.keep}"
            )
        trainer.restore(best)
        self.reporter.say(f"kept the model of step {best.step:,}: {wanted.keep} {best.value:.4f}")
        return best.step


def _digests(model: Any) -> tuple[str, str | None]:
    """Returns the digests of a model and, where it has adapters, of the one they are in."""
    has_adapters = base_of(model) is not model
    return weights_digest(model), weights_digest(model, adapters=False) if has_adapters else None


def _parameters_of_base(model: Any) -> int:
    """Returns how many parameters a model has that are not its adapters'."""
    base = base_of(model)
    adapters = trained_size(model) if base is not model else 0
    # transformers counts what 4-bit weights stand for, and nothing of those that ZeRO-3 has divided
    whole = base.num_parameters() or sum(map(size_of, base.parameters()))
    return int(whole) - adapters
