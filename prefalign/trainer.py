"""One trainer for every method: transformers' loop around our batches, our loss and our metrics.

transformers.Trainer brings accelerate, optimiser, schedule, checkpoints and callbacks. Ours are the
data loader (global batches that do not depend on processes) and `compute_loss` here, and what
`prefalign.training.measure` does for every engine.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import torch
from accelerate.utils import gather_object
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import TrainingArguments

from prefalign.config import RunConfig
from prefalign.data.batches import pair_tokens
from prefalign.data.dataset import GlobalBatches, PairDataset, PairLoader, load
from prefalign.engine.gradient_cache import GlobalLoss, Randomness, ScoredPairs
from prefalign.engine.logps import Batch, SegmentLogps, segment_logps
from prefalign.engine.objective import pair_logps, share_of_loss
from prefalign.engine.offload import OffloadedActivations
from prefalign.engine.tree import Ints
from prefalign.losses import Loss, LossParams, PairLogps
from prefalign.metrics import PairScores
from prefalign.models.loading import Precision
from prefalign.records.summary import summary
from prefalign.sharding import held_back, release
from prefalign.sharding.zero import buffers_kept
from prefalign.training.measure import Instruments, Measured
from prefalign.training.pace import UsefulWork


def argument_values(config: RunConfig, precision: Precision) -> dict[str, Any]:
    """Returns the run file in transformers' words; our step sees a whole global batch."""
    optim, output = config.optim, config.output
    return {
        "output_dir": str(output.dir),
        "per_device_train_batch_size": config.batch.pairs_at_once,
        "per_device_eval_batch_size": config.eval.micro_batch_size,
        "num_train_epochs": optim.epochs,
        "max_steps": optim.max_steps or -1,
        "learning_rate": optim.learning_rate,
        "lr_scheduler_type": optim.scheduler,
        "warmup_steps": optim.warmup_ratio,
        "weight_decay": optim.weight_decay,
        "max_grad_norm": optim.max_grad_norm,
        "seed": optim.seed,
        "bf16": precision == "bf16",
        "use_cpu": config.hardware.device == "cpu" or not torch.accelerator.is_available(),
        "gradient_checkpointing": config.hardware.gradient_checkpointing,
        "logging_steps": output.log_every_steps,
        "logging_nan_inf_filter": False,  # a NaN ends the run instead
        "save_strategy": "steps" if output.save_every_steps else "no",
        "save_steps": output.save_every_steps or 1,
        "eval_strategy": "steps" if config.data.test and config.eval.every_steps else "no",
        "eval_steps": config.eval.every_steps,
        "report_to": output.report_to or "none",
        "ddp_find_unused_parameters": False,
        "disable_tqdm": True,
        "log_level": "warning",
    }


def training_arguments(config: RunConfig, precision: Precision) -> TrainingArguments:
    """Returns the arguments of `PreferenceTrainer`; sets up the processes' communication, too."""
    arguments = TrainingArguments(**argument_values(config, precision))
    arguments._n_gpu = min(arguments.n_gpu, 1)  # several GPUs mean several processes here
    return arguments


class PreferenceTrainer(Measured):
    """Trains a model that went through `engine.logps.score_tokens`.

    Args:
        model: the policy: full weights or a PEFT model.
        arguments: see `training_arguments`.
        loss, params: the method and its settings.
        batches: this process's share of every global batch.
        instruments: what it measures with.
        useful: what its work is counted with; None where nobody could say what that means.
        offload: activations wait for the backward pass in the host's memory.
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
        instruments: Instruments,
        useful: UsefulWork | None = None,
        offload: bool = False,
    ) -> None:
        super().__init__(model, arguments, train_dataset=batches.data, instruments=instruments)
        self.loss = loss
        self.params = params
        self.batches = batches
        self.offload = offload
        self.seen = SeenPairs(batches.data)
        self.useful = useful
        self.tokens = pair_tokens(batches.data)
        self.global_loss: GlobalLoss | None = None
        self.randomness: list[Randomness] = []  # of the micro-batches that were scored first

    def get_train_dataloader(self) -> PairLoader:
        """Returns this process's shares of global batches; they are not to be sharded again."""
        return load(self.batches.data, self.batches)

    def _prepare_for_training(self, *arguments: Any, **options: Any) -> Any:
        with buffers_kept(self.model):
            return super()._prepare_for_training(*arguments, **options)

    def create_optimizer(self, *arguments: Any) -> Any:
        """Gives the optimiser the shards of a divided model, not what a forward pass gathered of them."""
        release(self.model)
        return super().create_optimizer(*arguments)

    def training_step(self, model: nn.Module, inputs: Any, *_: Any, **_options: Any) -> Tensor:
        """Runs this process's share of a global batch; gradients are exchanged after its last part."""
        if self.useful is not None:
            for part in inputs:
                self.useful.add(part)
        *parts, last = inputs
        self.global_loss = None
        if not self.loss.facts.pair_separable and len(inputs) * self.args.world_size > 1:
            self.global_loss = self._score_first(model, inputs)
        losses = []
        for part in parts:
            with held_back(self.accelerator, model):
                losses.append(super().training_step(model, part))
        return torch.stack([*losses, super().training_step(model, last)]).sum()

    def _prepare_input(self, data: Any) -> Any:
        """Moves tensors as they are; those of a DeepSpeed run transformers would round to its precision."""
        if isinstance(data, Tensor):
            return data.to(self.args.device)
        return super()._prepare_input(data)

    def _score_first(self, model: nn.Module, parts: list[Batch]) -> GlobalLoss:
        """Returns the loss of a global batch that no micro-batch holds alone; see `gradient_cache`."""
        model.train()
        scored = []
        for part in parts:
            batch = self._prepare_inputs(part)
            self.randomness.append(Randomness(self.args.device))
            with torch.no_grad(), self.compute_loss_context_manager():
                _, logps = self._logps(model, batch)
            scored.append(ScoredPairs.of(batch, logps))
        return GlobalLoss(gather_object(scored), parts[0], self.loss, self.params)

    def floating_point_ops(self, *_: Any) -> int:
        """Returns 0; a run counts its work by itself."""
        return 0

    def compute_loss(self, model: nn.Module, inputs: Any, *_: Any, **_options: Any) -> Tensor:
        """Returns this process's share of the global loss, () nats.

        It is multiplied by the number of processes, because gradients get averaged over them.
        """
        again = self.randomness.pop(0).again() if self.randomness else nullcontext()
        with again, self._activations():
            sums, logps = self._logps(model, inputs)
        self.seen.add(inputs, sums, step=self.state.global_step + 1)
        if self.global_loss is None:
            share = share_of_loss(self.loss.terms(logps, self.params), inputs)
        else:
            share = self.global_loss.share(inputs, logps)
        processes: int = self.args.world_size
        return share * processes

    def _activations(self) -> AbstractContextManager[Any]:
        """Returns the context that decides where activations wait for the backward pass."""
        if not self.offload:
            return nullcontext()
        return OffloadedActivations(self.model, self.args.device)

    def _logps(self, model: nn.Module, batch: Batch) -> tuple[SegmentLogps, PairLogps]:
        log_sum_sq = self.loss.facts.needs_log_sum_sq
        sums = segment_logps(model, batch, log_sum_sq=log_sum_sq)
        return sums, pair_logps(sums, batch, self.loss, self.params)

    def train_metrics(self, seconds: float) -> dict[str, float]:
        """Returns the metrics of the pairs since the last log line, and writes the pairs down."""
        seen = self.seen.take()
        if self.instruments.trained is not None:
            self.instruments.trained.write(self._rows(seen))
        speed = {"tokens_per_second": float(self.tokens[seen.places].sum() / seconds)}
        if self.useful is not None:
            speed["mfu"] = self.useful.utilisation(seconds)
        return self.seen.summarise(seen) | speed

    def _rows(self, seen: Seen) -> pa.Table:
        """Returns what was seen as rows of `pair_log.SCHEMA`."""
        data = self.batches.data
        columns: dict[str, Any] = {
            "id": [data.ids[place] for place in seen.places],
            "step": seen.steps,
            "epoch": (seen.steps - 1) // len(self.batches),
            "chosen_logps": seen.sums[:, 0],
            "rejected_logps": seen.sums[:, 1],
            "chosen_tokens": data.scored_tokens(0)[seen.places],
            "rejected_tokens": data.scored_tokens(1)[seen.places],
        }
        reference = np.asarray(data.reference)[seen.places]  # a run with a record has them
        columns["ref_chosen_logps"], columns["ref_rejected_logps"] = reference.T[:2]
        return pa.table(columns)

    def last_ids(self) -> list[str]:
        """Returns the ids of this process's last pairs."""
        return self.seen.last_ids()


class Seen(NamedTuple):
    """What the policy said about N pairs, each time it was trained on one.

    Attributes:
        places: (N,) in the token store.
        weights: (N,) 0 for a pair that only filled a process's batch.
        sums: (N, 5) see `SeenPairs.add`.
        steps: (N,) optimiser steps, from 1; what was said was said before its update.
    """

    places: Ints
    weights: NDArray[np.float64]
    sums: NDArray[np.float64]
    steps: Ints


class SeenPairs:
    """What the policy said about the pairs it was trained on since the last log line.

    Tensors stay on their device until `take`, so no step waits for the host.

    Args:
        data: where the pairs come from.
    """

    def __init__(self, data: PairDataset) -> None:
        self.data = data
        self.parts: list[tuple[Tensor, Tensor, Tensor]] = []
        self.steps: list[int] = []  # of each part
        none = np.empty(0)
        self.taken = Seen(none.astype(np.int64), none, np.empty((0, 5)), none.astype(np.int64))

    def add(self, batch: Batch, sums: SegmentLogps, *, step: int) -> None:
        """Keeps the places (B,), weights (B,) and sums (B, 5) of a micro-batch."""
        columns = (
            sums.chosen, sums.rejected, sums.chosen_entropy, sums.rejected_entropy, sums.chosen_top1
        )  # fmt: skip
        # all of them are there: a policy that is trained has gradients
        values = torch.stack([column for column in columns if column is not None], dim=1)
        self.parts.append((batch["pairs"], batch["weights"], values.detach()))
        self.steps.append(step)

    def last_ids(self, most: int = 8) -> list[str]:
        """Returns the ids of this process's last pairs, those without a finite log-prob first."""
        drawn = self._drawn() if self.parts else self.taken
        order = np.argsort(np.isfinite(drawn.sums).all(axis=1), kind="stable")
        return [self.data.ids[place] for place in drawn.places[order][:most]]

    def take(self) -> Seen:
        """Returns all processes' pairs since the last call."""
        self.taken = self._drawn()
        shares = gather_object([self.taken])
        self.parts.clear()
        self.steps.clear()
        columns: list[Any] = [np.concatenate(part) for part in zip(*shares, strict=True)]
        return Seen(*(column[columns[1] > 0] for column in columns))

    def summarise(self, seen: Seen) -> dict[str, float]:
        """Returns the metrics of the pairs."""
        places = seen.places
        tokens = [self.data.scored_tokens(side)[places].astype(np.float64) for side in (0, 1)]
        chosen, rejected, *entropy, top1 = seen.sums.T
        reference = None
        if self.data.reference is not None:
            reference = PairScores(*self.data.reference[places, :2].T, *tokens)
        return summary(PairScores(chosen, rejected, *tokens), reference) | {
            "entropy": float(np.sum(entropy) / np.sum(tokens)),
            "top1_chosen": float(top1.sum() / tokens[0].sum()),
        }

    def _drawn(self) -> Seen:
        """Returns this process's pairs."""
        sizes = [len(places) for places, _, _ in self.parts]
        places, weights, sums = (
            torch.cat(part).cpu().numpy() for part in zip(*self.parts, strict=True)
        )
        return Seen(places, weights, sums, np.repeat(self.steps, sizes))
