"""The evaluation whose model a run keeps, and when there has been none better for too long.

Both are read off the log of evaluations, which every checkpoint holds: a run that was interrupted decides
as an undisturbed one does. The model itself is in the checkpoint of its step, which transformers' state
names as the best one.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from transformers import TrainerCallback

_LOWER_IS_BETTER = frozenset(["nll_chosen"])


class Best(NamedTuple):
    """The best evaluation so far, the first of several that are as good.

    Attributes:
        step: after which it was.
        value: of the metric.
        worse: how many evaluations have followed.
    """

    step: int
    value: float
    worse: int


def best_evaluation(history: Sequence[dict[str, Any]], metric: str) -> Best | None:
    """Returns the best of a run's evaluations, the untouched model not among them; None before the first.

    One that a resumed run made again counts once.

    Args:
        history: entries of `TrainerState.log_history`, in the order of steps.
        metric: a key of `prefalign.records.summary.summary`.
    """
    key, sign = f"eval_{metric}", -1 if metric in _LOWER_IS_BETTER else 1
    found = {entry["step"]: entry[key] for entry in history if key in entry and entry["step"] > 0}
    if not found:
        return None
    step = max(found, key=lambda step: sign * found[step])  # the first of them
    return Best(step, found[step], worse=len(found) - 1 - list(found).index(step))


class KeepBest(TrainerCallback):  # type: ignore[misc]
    """Saves the model of every evaluation that is the best so far, and stops when patience is at its end.

    Args:
        metric: see `best_evaluation`.
        patience: evaluations without a better one that end training; None for any number.
    """

    def __init__(self, metric: str, patience: int | None) -> None:
        self.metric = metric
        self.patience = patience

    def on_train_begin(self, _args: Any, state: Any, control: Any, **_options: Any) -> None:
        """Does not go on where the checkpoint is that of the last evaluation."""
        self._stop_in_time(state, control)

    def on_step_end(self, _args: Any, _state: Any, control: Any, **_options: Any) -> None:
        """Has every step logged that may be saved."""
        control.should_log = control.should_log or control.should_evaluate

    def on_evaluate(self, args: Any, state: Any, control: Any, **_options: Any) -> None:
        """Compares the evaluation with those before it."""
        best = best_evaluation(state.log_history, self.metric)
        if best is not None and best.step == state.global_step:
            state.best_metric, state.best_global_step = best.value, best.step
            state.best_model_checkpoint = str(checkpoint_of(args.output_dir, best))
            control.should_save = True
        self._stop_in_time(state, control)

    def _stop_in_time(self, state: Any, control: Any) -> None:
        best = best_evaluation(state.log_history, self.metric)
        if best is not None and self.patience is not None and best.worse >= self.patience:
            control.should_training_stop = True


def checkpoint_of(output_dir: str, best: Best) -> Path:
    """Returns the checkpoint that holds the model of an evaluation."""
    return Path(output_dir) / f"checkpoint-{best.step}"
