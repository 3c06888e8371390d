"""A trainer whose checkpoints are whole, and which goes on from one as if nothing had happened.

The loop is transformers', which writes into the directory that later starts read from, and starts an
interrupted run's last step over. Both are put right here.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from accelerate.utils import gather_object
from safetensors import SafetensorError
from transformers import Trainer
from transformers.trainer import TRAINER_STATE_NAME

from prefalign.errors import TrainingFailed
from prefalign.survival.checkpoints import (
    Saving,
    Spent,
    checkpoints,
    discard_leftovers,
    newest_checkpoint,
    step_of,
)
from prefalign.survival.divergence import too_high_since
from prefalign.survival.started import resume_line
from prefalign.survival.stopping import EvaluationStopped
from prefalign.units import bytes_text
from prefdata.errors import PrefError

_log = logging.getLogger("prefalign")


class Resumable(Trainer):  # type: ignore[misc]
    """Saves and resumes; arguments are those of the trainer that follows in the order of classes."""

    control: Any

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.evaluation_due = False  # one was stopped, after the step that was saved
        self.spent = Spent()
        self.since = time.monotonic()
        self.saved_step = 0
        self._aside: Path | None = None

    def _init_training_state(self, max_steps: int, *arguments: Any) -> Any:
        """Notes what a stop has cut off, and lets intervals be what the run file says now."""
        begun = super()._init_training_state(max_steps, *arguments)
        control = self.state.stateful_callbacks.get("TrainerControl", {})
        self.evaluation_due = control.get("args", {}).get("should_evaluate", False)
        self.state.compute_steps(self.args, max_steps)
        self.saved_step = self.state.global_step
        return begun

    def _run_epoch(self, model: Any, epoch: int, **options: Any) -> None:
        """Makes up for an evaluation that was cut off, and goes no step beyond the last."""
        if self.evaluation_due:
            self.evaluation_due, self.control.should_evaluate = False, True
            self._load_rng_state(options["resume_from_checkpoint"])  # it may be saved again
            loss, start = self._tr_loss, options["start_time"]
            self._maybe_log_save_evaluate(loss, None, model, None, epoch, None, start)
        if self.state.global_step >= self.state.max_steps:
            self.control.should_training_stop = True
        if not self.control.should_training_stop:
            super()._run_epoch(model=model, epoch=epoch, **options)

    def _maybe_log_save_evaluate(self, *arguments: Any, **options: Any) -> None:
        """Saves at once where an evaluation is stopped; the checkpoint says that it is due."""
        try:
            super()._maybe_log_save_evaluate(*arguments, **options)
        except EvaluationStopped:
            self.control.should_training_stop = True
            self.save_unless_saved()

    def begin(self, spent: Spent) -> None:
        """Starts to count what training takes.

        Args:
            spent: by earlier starts of the run, and on reference log-probs by this one.
        """
        self.spent, self.since = spent, time.monotonic()

    def save_unless_saved(self) -> None:
        """Writes a checkpoint of the step at hand if there is none; all processes call this."""
        if self.saved_step != self.state.global_step:
            self._save_checkpoint(self.model, None)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Has transformers write a checkpoint aside, and gives it its place when it is whole.

        Raises:
            TrainingFailed: in all processes, if one of them could not write its part.
        """
        saving = Saving(Path(self.args.output_dir), self.state.global_step)
        with self._shared_failure(saving):
            if self.args.process_index == 0:
                saving.begin()
        with self._shared_failure(saving):
            self._aside = saving.aside
            try:
                super()._save_checkpoint(model, trial)
                self._correct_state(saving)
            finally:
                self._aside = None
        with self._shared_failure(saving):
            if self.args.local_process_index == 0:
                saving.settle()
        with self._shared_failure(saving):
            if self.args.process_index == 0:
                saving.complete(self.args.world_size, self.spent_so_far())
                best, sound = self.state.best_model_checkpoint, self.checkpoint_before_divergence()
                saving.prune(spared=[Path(path).name for path in (best, sound) if path])
        self.saved_step = self.state.global_step

    def checkpoint_before_divergence(self) -> Path | None:
        """Returns the newest checkpoint from before losses were too high, if they are; else the newest."""
        high = too_high_since(self.state.log_history)
        return next(
            (
                path
                for path in checkpoints(Path(self.args.output_dir))
                if high is None or step_of(path) < high[0]
            ),
            None,
        )

    def _correct_state(self, saving: Saving) -> None:
        """Lets the state name the best checkpoint where it will be, not where it is being written."""
        if self.state.best_global_step and self.args.should_save:
            best = saving.run / f"checkpoint-{self.state.best_global_step}"
            self.state.best_model_checkpoint = str(best)
            self.state.save_to_json(str(saving.directory / TRAINER_STATE_NAME))

    def _get_output_dir(self, trial: Any) -> str:
        return str(self._aside) if self._aside else str(super()._get_output_dir(trial))

    @contextmanager
    def _shared_failure(self, saving: Saving) -> Iterator[None]:
        """Waits until all processes have done a part, and fails in all of them if it failed in one."""
        reason = None
        try:
            yield
        except (OSError, RuntimeError, SafetensorError, PrefError) as error:
            _log.exception("cannot save")
            reason = str(error).strip().partition("\n")[0]
        reasons = [reason for reason in gather_object([reason]) if reason]
        if reasons:
            free = shutil.disk_usage(saving.run).free
            if self.args.process_index == 0:
                discard_leftovers(saving.run)
            raise _cannot_save(saving, reasons[0], free)

    def spent_so_far(self) -> Spent:
        """Returns what the run has taken, over all its starts."""
        return Spent(
            seconds=self.spent.seconds + time.monotonic() - self.since,
            reference_pairs=self.spent.reference_pairs,
        )


def _cannot_save(saving: Saving, reason: str, free: int) -> TrainingFailed:
    """Returns what a run says that cannot write a checkpoint.

    Args:
        saving: the checkpoint.
        reason: of the file system or a library.
        free: bytes that were free on the disk.
    """
    last = newest_checkpoint(saving.run)
    line = resume_line(saving.run)
    go_on = f", then go on from {last.name}" if last else ", then start again"
    return TrainingFailed(
        f"{saving.run / saving.directory.name}: cannot be written, with {bytes_text(free)} free: {reason}",
        hint=f"make room{go_on}: {line or 'the same command'}",
    )
