"""What every trainer of ours does besides training: measure, write down, report, and stop in time.

`Measured` goes in front of ours and of TRL's trainers, so that runs of any engine leave the same files.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import polars as pl
from accelerate.utils import gather_object
from torch.distributed.tensor import DTensor
from transformers import PrinterCallback, TrainerCallback

from prefalign.data.dataset import PairDataset
from prefalign.errors import Diverged, TrainingFailed
from prefalign.metrics import PairScores
from prefalign.models.loading import Precision
from prefalign.progress import Reporter
from prefalign.records.pair_log import PairLog
from prefalign.records.run import MetricsLog
from prefalign.records.summary import summary
from prefalign.score import Progress, score_frame, score_share
from prefalign.scoring.reference import in_store_order
from prefalign.sharding import whole_weights
from prefalign.survival.divergence import PATIENCE, too_high_since
from prefalign.survival.out_of_memory import scoring
from prefalign.survival.resumable import Resumable
from prefalign.survival.stopping import STOP, EvaluationStopped
from prefalign.training.best import Best, checkpoint_of
from prefalign.training.pace import Pace
from prefalign.training.trackers import Tracker, tracked

_SHOWN_IDS = 8


@dataclass
class HeldOut:
    """The pairs a model is measured on, and what the reference says about them."""

    data: PairDataset
    reference: pl.DataFrame
    scores: pl.DataFrame
    """What the model said when it was last asked; at first that is the reference."""
    at_step: int = 0

    def record(self) -> pl.DataFrame:
        """Returns the scores with the step, and those of the reference in `ref_` columns."""
        return self.scores.with_columns(
            self.reference["chosen_logps"].alias("ref_chosen_logps"),
            self.reference["rejected_logps"].alias("ref_rejected_logps"),
            pl.lit(self.at_step, pl.Int64).alias("step"),
        )


@dataclass(frozen=True)
class Instruments:
    """What a run measures with.

    Attributes:
        held_out: evaluated every `eval_steps`; None without a test set.
        precision: of evaluation; training takes it from its arguments.
        log: where metrics go; None on all processes but the first.
        evaluations: where what each evaluation says of each pair goes; None likewise.
        trained: where what the policy says of the pairs it is trained on goes; None likewise, and where
            nobody asked for it.
        reporter: who hears of progress.
        pairs_seen: pairs after a number of optimiser steps.
    """

    held_out: HeldOut | None
    precision: Precision
    log: MetricsLog | None
    evaluations: PairLog | None
    trained: PairLog | None
    reporter: Reporter
    pairs_seen: Callable[[int], int]


class Steps(TrainerCallback):  # type: ignore[misc]
    """Announces and times the steps, ends training in time, has saved steps and the last one logged.

    It runs after transformers' own callback has decided what a step ends with.
    """

    def __init__(self, reporter: Reporter, pace: Pace) -> None:
        self.reporter = reporter
        self.pace = pace

    def on_train_begin(self, _args: Any, state: Any, _control: Any, **_options: Any) -> None:
        """Says how many steps there will be."""
        self.reporter.begin("training", state.max_steps, "steps", state.global_step)
        self.pace.begin(state.global_step)

    def on_step_end(self, _args: Any, state: Any, control: Any, **_options: Any) -> None:
        """Has the step saved that is the last one because the run was told to stop."""
        if STOP.agreed():
            control.should_save = control.should_training_stop = True
        is_last = state.global_step >= state.max_steps
        control.should_log = control.should_log or control.should_save or is_last

    def on_save(self, _args: Any, _state: Any, control: Any, **_options: Any) -> None:
        """Stops without a further step if the run was told to while it was saving.

        The time that took is left out of the speed; what is saved was logged just before.
        """
        self.pace.restart()
        if STOP.agreed():
            control.should_training_stop = True


class FirstEvaluation(TrainerCallback):  # type: ignore[misc]
    """Evaluates before the first step, when trackers have been started and know where to write."""

    def __init__(self, evaluate: Callable[[], object]) -> None:
        self.evaluate = evaluate

    def on_train_begin(self, *_: Any, **_options: Any) -> None:
        """Evaluates."""
        self.evaluate()


class Measured(Resumable):
    """Evaluates on held-out pairs, logs, reports and stops the way our runs do.

    Args:
        instruments: what it measures with.
        arguments, options: of the trainer that follows in the order of classes.
    """

    def __init__(self, *arguments: Any, instruments: Instruments, **options: Any) -> None:
        held_out = instruments.held_out
        options.setdefault("eval_dataset", held_out.data if held_out else None)
        super().__init__(*arguments, **options)
        self.instruments = instruments
        self.pace = Pace()
        self.remove_callback(PrinterCallback)
        handler = self.callback_handler
        handler.callbacks = list(tracked(handler.callbacks, instruments.reporter))
        self.add_callback(Steps(instruments.reporter, self.pace))

    def close_trackers(self) -> None:
        """Tells trackers that nothing more will come."""
        for callback in self.callback_handler.callbacks:
            if isinstance(callback, Tracker):
                callback.close()

    def train_metrics(self, seconds: float) -> dict[str, float]:  # noqa: ARG002
        """Returns metrics of the pairs trained on since the last call; all processes call it.

        Args:
            seconds: that their training took.
        """
        return {}  # of TRL's trainers, which keep no pair by its id

    def last_ids(self) -> list[str]:
        """Returns the ids of the last pairs, for the message about a broken loss."""
        return []

    def evaluate(self, *_: Any, **_options: Any) -> dict[str, float]:
        """Scores the held-out pairs, shared by all processes, and logs the summary.

        Before the first step the model is the reference, whose scores are known.
        """
        held_out = self.instruments.held_out
        if held_out is None:
            raise ValueError("there are no held-out pairs")
        step, started = self.state.global_step, time.monotonic()
        if step != held_out.at_step:
            held_out.scores = self._score(held_out.data, _until_stopped)
            held_out.at_step = step
            self._record(held_out)
        reference = PairScores.of(held_out.reference)
        values = summary(PairScores.of(held_out.scores), reference)
        self._write("eval", values)
        metrics = {f"eval_{name}": value for name, value in values.items()}
        super().log(metrics)
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        self.pace.pause(time.monotonic() - started)
        return metrics

    def restore(self, best: Best) -> None:
        """Goes back to the model of an evaluation, and to what it said; all processes call it.

        Raises:
            TrainingFailed: its checkpoint is gone.
        """
        held_out = self.instruments.held_out
        if held_out is None or best.step == self.state.global_step:
            return
        checkpoint = checkpoint_of(self.args.output_dir, best)
        if not checkpoint.exists():
            raise TrainingFailed(
                f"{checkpoint}: the checkpoint of the best evaluation is gone",
                hint="restore it and start again, or set eval.keep to last",
            )
        self.state.best_model_checkpoint = str(checkpoint)
        self._load_best_model()
        held_out.scores = self._score(held_out.data)
        held_out.at_step = best.step

    def _score(self, data: PairDataset, progress: Progress | None = None) -> pl.DataFrame:
        size = self.args.per_device_eval_batch_size
        with scoring(size):
            share = score_share(
                self.model, data, micro_batch_size=size, device=self.args.device,
                precision=self.instruments.precision, rank=self.args.process_index,
                processes=self.args.world_size, progress=progress,
            )  # fmt: skip
        return score_frame(data, in_store_order(gather_object([share])))

    def _record(self, held_out: HeldOut) -> None:
        """Writes down what was said of each held-out pair."""
        if self.instruments.evaluations is not None:
            epoch = int(self.state.epoch or 0)
            frame = held_out.record().with_columns(epoch=pl.lit(epoch))
            self.instruments.evaluations.write(frame.to_arrow())

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Adds the pairs' metrics to the loss, writes them down and reports progress.

        Raises:
            Diverged: the loss is no number, or has been far too high for long.
        """
        if "loss" not in logs:
            super().log(logs, start_time)
            return
        step = self.state.global_step
        before, seconds = self.pace.take(step)
        pairs = self.instruments.pairs_seen(step) - self.instruments.pairs_seen(before)
        measured = self.train_metrics(seconds) | {"pairs_per_second": pairs / seconds}
        super().log(logs | measured, start_time)
        self._refuse_explosion(logs["loss"])
        values = {
            "loss": logs["loss"],
            "lr": logs["learning_rate"],
            "grad_norm": logs["grad_norm"],
            **measured,
        }
        self._write("train", values)
        self.instruments.reporter.advance(step - before, note=_note(values))

    def _write(self, kind: Any, values: dict[str, float]) -> None:
        step = self.state.global_step
        place = {
            "step": step,
            "epoch": self.state.epoch or 0.0,
            "pairs_seen": self.instruments.pairs_seen(step),
        }
        if self.instruments.log is not None:
            self.instruments.log.write(kind, place | values)

    def _clip_grad_norm(self, model: Any) -> Any:
        """Looks at the gradient before the optimiser does, which would spoil the weights with it.

        On an accelerator this is where the host waits for the backward pass. All that is left to do then
        is to launch the optimiser's kernels, which run while the host prepares the next batch.

        Raises:
            Diverged: it is no number.
        """
        norm = super()._clip_grad_norm(model)
        if norm is not None and not math.isfinite(_norm(norm)):
            loss = float(self.accelerator.reduce(self._tr_loss.detach().clone(), "sum"))
            name, value = ("loss", loss) if not math.isfinite(loss) else ("gradient", _norm(norm))
            self.save_unless_saved()
            raise self._diverged(f"{name} is {value} at step {self.state.global_step + 1}")
        return norm

    def _refuse_explosion(self, loss: float) -> None:
        high = too_high_since(self.state.log_history)
        if not math.isfinite(loss):
            raise self._diverged(f"loss is {loss} at step {self.state.global_step}")
        if high is not None and high[1] >= PATIENCE:
            raise self._diverged(
                f"loss is {loss:.4g}, and far above where it began since step {high[0]}"
            )

    def _diverged(self, what: str) -> Diverged:
        """Returns what a run says whose weights are of no use any more; all processes call this."""
        shares = zip_longest(*gather_object([self.last_ids()]))
        ids = [id_ for share in shares for id_ in share if id_ is not None]
        last = f"; last pairs: {', '.join(ids[:_SHOWN_IDS])}" if ids else ""
        before = self.checkpoint_before_divergence()
        kept = f"the state before is in {before}" if before else "nothing was saved before"
        return Diverged(
            f"{what}{last}; {kept}",
            hint="start afresh with a lower optim.learning_rate (--overwrite), or look at these pairs: "
            "prefdata show FILE --row ID",
        )

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:  # noqa: FBT001, FBT002
        """Saves the weights whole, also those of a divided model; all processes call it.

        transformers would write none for the latter, unless its launcher had been told to. Checkpoints
        (internal calls) hold a divided model's shards.
        """
        if not _internal_call and (self.is_fsdp_enabled or self.is_deepspeed_enabled):
            self._save(output_dir, whole_weights(self.accelerator, self.model))
        elif not self.is_deepspeed_enabled:  # whose engine writes all there is of a checkpoint
            super().save_model(output_dir, _internal_call)

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        """Saves weights as safetensors and leaves out transformers' pickled arguments."""
        super()._save(output_dir, state_dict)
        pickled = Path(output_dir or self.args.output_dir) / "training_args.bin"
        pickled.unlink(missing_ok=True)


def _norm(norm: Any) -> float:
    """Returns a gradient's norm, also one that is divided among processes, which all call this."""
    return float(norm.full_tensor() if isinstance(norm, DTensor) else norm)


def _until_stopped(_done: int) -> None:
    """Is called by all processes after each forward pass of an evaluation.

    Raises:
        EvaluationStopped: one of them was told to stop.
    """
    if STOP.agreed():
        raise EvaluationStopped


def _note(values: dict[str, float]) -> str:
    accuracy = values.get("accuracy_reference", values.get("accuracy_mean"))
    told = [f"loss {values['loss']:.4f}"]
    told += [] if accuracy is None else [f"accuracy {accuracy:.2f}"]
    told += [f"lr {values['lr']:.1e}", f"{values['pairs_per_second']:,.3g} pairs/s"]
    if "tokens_per_second" in values:
        told.append(f"{values['tokens_per_second']:,.0f} tokens/s")
    if "mfu" in values:
        told.append(f"MFU {values['mfu']:.0%}")
    return "  ".join(told)
