"""One trainer for every method: transformers' loop around our batches, our loss and our metrics.

transformers.Trainer brings accelerate, optimiser, schedule, checkpoints and callbacks. Ours are the
data loader (global batches that do not depend on processes), `compute_loss`, `evaluate` and `log`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from accelerate.utils import gather_object
from torch import Tensor, nn
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from prefalign.config import RunConfig
from prefalign.dataset import GlobalBatches, PairDataset, PairLoader, load
from prefalign.engine.logps import Batch, SegmentLogps, segment_logps
from prefalign.engine.objective import pair_logps, share_of_loss
from prefalign.engine.reference import in_store_order
from prefalign.errors import Diverged
from prefalign.losses import Loss, LossParams
from prefalign.metrics import PairScores
from prefalign.model import Precision
from prefalign.progress import Reporter
from prefalign.record import MetricsLog
from prefalign.score import score_frame, score_share
from prefalign.stopping import StopOnSignal
from prefalign.summary import summary

if TYPE_CHECKING:
    import polars as pl


def training_arguments(config: RunConfig, precision: Precision) -> TrainingArguments:
    """Returns the run file in transformers' words; also sets up the processes' communication."""
    optim, output = config.optim, config.output
    arguments = TrainingArguments(
        output_dir=str(output.dir),
        per_device_train_batch_size=config.batch.micro_batch_size,
        per_device_eval_batch_size=config.eval.micro_batch_size,
        num_train_epochs=optim.epochs,
        max_steps=optim.max_steps or -1,
        learning_rate=optim.learning_rate,
        lr_scheduler_type=optim.scheduler,
        warmup_steps=optim.warmup_ratio,
        weight_decay=optim.weight_decay,
        max_grad_norm=optim.max_grad_norm,
        seed=optim.seed,
        bf16=precision == "bf16",
        use_cpu=config.hardware.device == "cpu" or not torch.accelerator.is_available(),
        gradient_checkpointing=config.hardware.gradient_checkpointing,
        logging_steps=output.log_every_steps,
        logging_nan_inf_filter=False,  # a NaN ends the run instead
        save_strategy="steps" if output.save_every_steps else "no",
        save_steps=output.save_every_steps or 1,
        eval_strategy="steps" if config.data.test and config.eval.every_steps else "no",
        eval_steps=config.eval.every_steps,
        report_to=output.report_to or "none",
        ddp_find_unused_parameters=False,
        disable_tqdm=True,
        log_level="warning",
    )
    arguments._n_gpu = min(arguments.n_gpu, 1)  # several GPUs mean several processes here
    return arguments


@dataclass
class HeldOut:
    """The pairs a model is measured on, and what the reference says about them."""

    data: PairDataset
    reference: pl.DataFrame
    scores: pl.DataFrame
    """What the model said when it was last asked; at first that is the reference."""
    at_step: int = 0


class LogBeforeSaving(TrainerCallback):  # type: ignore[misc]
    """Has every step that is saved logged first: logging refuses a loss that is no number."""

    def on_step_end(self, _args: Any, _state: Any, control: Any, **_options: Any) -> None:
        """Runs after transformers' own callback has decided."""
        control.should_log = control.should_log or control.should_save


class PreferenceTrainer(Trainer):  # type: ignore[misc]
    """Trains a model that went through `engine.logps.score_tokens`.

    Args:
        model: the policy: full weights or a PEFT model.
        arguments: see `training_arguments`.
        loss, params: the method and its settings.
        batches: this process's share of every global batch.
        held_out: evaluated every `eval_steps`, or None.
        precision: of evaluation; training takes it from `arguments`.
        log: where metrics go; None on all processes but the first.
        reporter: who hears of progress.
    """

    # `compute_loss` divides by the global batch, so the trainer must not divide by accumulation
    loss_is_scaled_for_ga = True

    def __init__(
        self,
        model: Any,
        arguments: TrainingArguments,
        *,
        loss: Loss,
        params: LossParams,
        batches: GlobalBatches,
        held_out: HeldOut | None,
        precision: Precision,
        log: MetricsLog | None,
        reporter: Reporter,
    ) -> None:
        arguments.gradient_accumulation_steps = batches.accumulation
        super().__init__(
            model,
            arguments,
            train_dataset=batches.data,
            eval_dataset=held_out.data if held_out else None,
        )
        self.remove_callback(PrinterCallback)
        self.stop = StopOnSignal()
        self.add_callback(self.stop)
        self.add_callback(LogBeforeSaving())
        self.loss = loss
        self.params = params
        self.batches = batches
        self.held_out = held_out
        self.precision = precision
        self.metrics_log = log
        self.reporter = reporter
        self.reported = 0  # steps
        self.seen = SeenPairs(batches.data, with_reference=loss.needs_reference)

    def get_train_dataloader(self) -> PairLoader:
        """Returns this process's micro-batches; they are not to be sharded again."""
        return load(self.batches.data, self.batches)

    @property
    def total_steps(self) -> int:
        """Optimiser steps of the whole run."""
        steps = -(-len(self.batches) // self.batches.accumulation)
        return (
            self.args.max_steps
            if self.args.max_steps > 0
            else math.ceil(self.args.num_train_epochs * steps)
        )

    def compute_loss(self, model: nn.Module, inputs: Any, *_: Any, **_options: Any) -> Tensor:
        """Returns this process's share of the global loss, () nats.

        It is multiplied by the number of processes, because gradients get averaged over them.
        """
        sums = segment_logps(model, inputs)
        self.seen.add(inputs, sums)
        terms = self.loss.terms(pair_logps(sums, inputs, self.loss, self.params), self.params)
        return share_of_loss(terms, inputs) * self.args.world_size

    def evaluate(self, *_: Any, **_options: Any) -> dict[str, float]:
        """Scores the held-out pairs, shared by all processes, and logs the summary.

        Before the first step the model is the reference, whose scores are known.
        """
        if self.held_out is None:
            raise ValueError("there are no held-out pairs")
        step = self.state.global_step
        if step != self.held_out.at_step:
            self.held_out.scores = self._score(self.held_out.data)
            self.held_out.at_step = step
        reference = PairScores.of(self.held_out.reference)
        values = summary(PairScores.of(self.held_out.scores), reference)
        self._write("eval", values)
        metrics = {f"eval_{name}": value for name, value in values.items()}
        super().log(metrics)
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        return metrics

    def _score(self, data: PairDataset) -> pl.DataFrame:
        share = score_share(
            self.model, data, micro_batch_size=self.args.per_device_eval_batch_size,
            device=self.args.device, precision=self.precision, rank=self.args.process_index,
            processes=self.args.world_size,
        )  # fmt: skip
        return score_frame(data, in_store_order(gather_object([share])))

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Adds the pairs' metrics to the loss, writes them down and reports progress.

        Raises:
            Diverged: the loss or the gradient is no number.
        """
        super().log(logs, start_time)
        if "loss" not in logs:
            return
        self._refuse_divergence(logs)
        values = {
            "loss": logs["loss"],
            "lr": logs["learning_rate"],
            "grad_norm": logs["grad_norm"],
            **self.seen.summarise(),
        }
        self._write("train", values)
        self.reporter.advance(self.state.global_step - self.reported, note=_note(values))
        self.reported = self.state.global_step

    def _write(self, kind: Any, values: dict[str, float]) -> None:
        step = self.state.global_step
        place = {
            "step": step,
            "epoch": self.state.epoch or 0.0,
            "pairs_seen": self.batches.pairs_seen(step),
        }
        if self.metrics_log is not None:
            self.metrics_log.write(kind, place | values)

    def _refuse_divergence(self, logs: dict[str, float]) -> None:
        broken = [name for name in ("loss", "grad_norm") if not math.isfinite(logs[name])]
        if broken:
            ids = ", ".join(self.seen.last_ids())
            raise Diverged(
                f"{broken[0]} is {logs[broken[0]]} at step {self.state.global_step}; "
                f"last pairs: {ids}",
                hint="lower optim.learning_rate, or look at these pairs: prefdata show FILE --row ID",
            )

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        """Saves weights as safetensors and leaves out transformers' pickled arguments."""
        super()._save(output_dir, state_dict)
        pickled = Path(output_dir or self.args.output_dir) / "training_args.bin"
        pickled.unlink(missing_ok=True)


def _note(values: dict[str, float]) -> str:
    accuracy = values.get("accuracy_reference", values["accuracy_mean"])
    return f"loss {values['loss']:.4f}  accuracy {accuracy:.2f}  lr {values['lr']:.1e}"


class SeenPairs:
    """What the policy said about the pairs it was trained on since the last log line.

    Tensors stay on their device until `summarise`, so no step waits for the host.

    Args:
        data: where the pairs come from.
        with_reference: `data` has reference log-probs.
    """

    def __init__(self, data: PairDataset, *, with_reference: bool) -> None:
        self.data = data
        self.with_reference = with_reference
        self.parts: list[tuple[Tensor, Tensor, Tensor]] = []

    def add(self, batch: Batch, sums: SegmentLogps) -> None:
        """Keeps the places (B,), weights (B,) and log-probs (B, 2) of a micro-batch."""
        logps = torch.stack((sums.chosen, sums.rejected), dim=1).detach()
        self.parts.append((batch["pairs"], batch["weights"], logps))

    def last_ids(self, most: int = 8) -> list[str]:
        """Returns the ids of this process's last pairs, those without a finite log-prob first."""
        places, _, logps = self._drawn()
        order = np.argsort(np.isfinite(logps).all(axis=1), kind="stable")
        return [self.data.ids[place] for place in places[order][:most]]

    def summarise(self) -> dict[str, float]:
        """Returns the metrics of all processes' pairs since the last call."""
        shares = gather_object([self._drawn()])
        self.parts.clear()
        places, weights, logps = (np.concatenate(part) for part in zip(*shares, strict=True))
        places, logps = places[weights > 0], logps[weights > 0]
        tokens = [self.data.scored_tokens(side)[places].astype(np.float64) for side in (0, 1)]
        scores = PairScores(logps[:, 0], logps[:, 1], *tokens)
        if not self.with_reference or self.data.reference is None:
            return summary(scores)
        return summary(scores, PairScores(*self.data.reference[places].T, *tokens))

    def _drawn(self) -> tuple[Any, Any, Any]:
        places, weights, logps = (
            torch.cat(part).cpu().numpy() for part in zip(*self.parts, strict=True)
        )
        return places, weights, logps
