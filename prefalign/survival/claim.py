"""Whose a run directory is: what may be trained in it, and what of an earlier run goes first."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path

from prefalign.config import RunConfig
from prefalign.records.run import METRICS_FILE, MODEL_DIR, RUN_FILE
from prefalign.survival.checkpoints import MANIFEST, newest_checkpoint
from prefalign.survival.identity import IDENTITY_FILE, refuse_other_settings
from prefalign.survival.started import is_worker, launched_at, wait_for_earlier
from prefdata.errors import PrefError

_OUTPUTS = (
    RUN_FILE,
    IDENTITY_FILE,
    METRICS_FILE,
    "pairs*.parquet",
    "pairs*.arrows",
    MODEL_DIR,
    "README.md",
    "logs/rank-*",  # what launchers leave there, the next one replaces, and it may be there already
    "runs",  # of TensorBoard
    "checkpoint-*",
    ".saving",
)


def is_finished(config: RunConfig) -> bool:
    """Returns whether the run directory holds a run that came to its end."""
    return (config.output.dir / RUN_FILE).exists()


def claim(
    config: RunConfig,
    say: Callable[[str], None],
    *,
    resume: bool | None = None,
    overwrite: bool = False,
) -> bool:
    """Makes sure that the run directory may be trained in.

    Args:
        config: the run file.
        say: hears of what takes long, and of a run that needs no training.
        resume: there has to be a run to go on with, or must not be one; None for either.
        overwrite: take a run that is there away first.

    Returns:
        Whether there is anything left to train.

    Raises:
        PrefError: somebody else trains in it, it holds another run, or what this one reads.
    """
    directory = config.output.dir
    refuse_to_overwrite_inputs(config)
    wait_for_earlier(directory, say, until=launched_at() if is_worker() else None)
    if overwrite:
        clear(directory)
    _refuse_unwanted(directory, resume=resume)
    if holds_a_run(directory):
        refuse_other_settings(config)
    if is_finished(config):
        say(f"{directory}: finished already; --overwrite trains it again")
        return False
    return True


def refuse_to_overwrite_inputs(config: RunConfig) -> None:
    """Refuses a run that reads a model or data where it writes, and where `--overwrite` clears.

    Raises:
        PrefError: all such inputs are named.
    """
    directory = config.output.dir.resolve()
    names = (config.model.name, config.data.train, config.data.test, config.model.chat_template)
    inside = [
        name for name in names if name and Path(name).exists() and _is_output(name, directory)
    ]
    if inside:
        raise PrefError(
            f"{', '.join(inside)}: the run would write over it, in its own output.dir",
            hint="choose another directory for the run: --set output.dir=DIR",
        )


def _is_output(name: str, directory: Path) -> bool:
    """Returns whether a file or directory is called what a run in `directory` calls what it writes."""
    path = Path(name).resolve()
    if path == directory:
        return True
    if directory not in path.parents:
        return False
    first = path.relative_to(directory).parts[0]
    return any(fnmatch(first, pattern.partition("/")[0]) for pattern in _OUTPUTS)


def _refuse_unwanted(directory: Path, *, resume: bool | None) -> None:
    """Refuses a directory that holds what was not expected in it."""
    if resume is False and holds_a_run(directory):
        raise PrefError(
            f"{directory}: holds a run already",
            hint="leave out --no-resume to go on with it, add --overwrite to replace it, or choose "
            "another directory with --set output.dir=DIR",
        )
    if (directory / RUN_FILE).exists() or newest_checkpoint(directory):
        return
    if holds_a_run(directory):
        raise PrefError(
            f"{directory}: its checkpoints have no {MANIFEST}, so they are not of this program or not whole",
            hint="add --overwrite to replace them, or choose another directory with "
            "--set output.dir=DIR",
        )
    if resume:
        raise PrefError(
            f"{directory}: holds no checkpoint to go on from",
            hint="leave out --resume to start afresh",
        )


def holds_a_run(directory: Path) -> bool:
    """Returns whether a run, finished or not, has left anything to go on from."""
    return (directory / RUN_FILE).exists() or any(directory.glob("checkpoint-*"))


def clear(directory: Path) -> None:
    """Removes what an earlier run left in `directory`; a directory without one is left alone."""
    if not holds_a_run(directory):
        return
    for pattern in _OUTPUTS:
        for path in directory.glob(pattern):
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink()
