"""Runs the trials of a grid one after another, and compares those that came to their end."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from prefalign.compare import compare
from prefalign.launch import launch
from prefalign.losses import loss_of
from prefalign.preflight import preflight
from prefalign.survival.claim import claim, is_finished
from prefalign.sweep.grid import Trial
from prefalign.sweep.record import Outcome, Sweep
from prefdata.errors import PrefError

_SIGNALLED = 128  # exit codes above it are signals


def sweep(trials: Sequence[Trial], say: Callable[[str], None], command: str = "") -> Sweep:
    """Trains every trial that is not finished yet and returns all of them side by side.

    A trial that fails is recorded with its reason, and the next one starts: a learning rate that
    diverges is a result. One that was interrupted ends the sweep; it goes on when it is called again.

    Args:
        trials: of one grid.
        say: called with a line before each training and after each failure.
        command: how this was asked for.

    Raises:
        PrefError: a signal ended a training, or the runs cannot be compared.
    """
    outcomes = []
    for number, trial in enumerate(trials, start=1):
        if is_finished(trial.config):
            say(f"[{number}/{len(trials)}] {trial.name}: finished already")
            outcomes.append(_outcome(trial))
            continue
        say(f"[{number}/{len(trials)}] {trial.name}")
        failure = _train(trial, say)
        if failure is not None:
            say(f"{trial.name} failed: {failure}")
        outcomes.append(_outcome(trial, failure))
    finished = [
        trial for trial, outcome in zip(trials, outcomes, strict=True) if not outcome.failure
    ]
    comparison = None
    if finished:
        comparison = compare([trial.config.output.dir for trial in finished], command=command)
    return Sweep(outcomes=outcomes, comparison=comparison)


def _outcome(trial: Trial, failure: str | None = None) -> Outcome:
    return Outcome(
        name=trial.name,
        group=trial.run_file.stem,
        method=trial.config.method.name,
        settings=trial.settings,
        needs_reference=loss_of(trial.config.method).needs_reference,
        failure=failure,
    )


def _train(trial: Trial, say: Callable[[str], None]) -> str | None:
    """Runs one training like `prefalign train`; returns why it failed, if it did."""
    overrides = [part for setting in trial.overrides for part in ("--set", setting)]
    try:
        claim(trial.config, say)
        preflight(trial.config, str(trial.run_file))
        launch(trial.config, ["train", str(trial.run_file), *overrides])
    except PrefError as error:
        if error.exit_code > _SIGNALLED:
            raise
        return error.message
    return None
