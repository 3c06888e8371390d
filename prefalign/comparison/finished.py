"""Finished runs, found by their directories, and their models."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from prefalign.comparison.record import UNTOUCHED
from prefalign.config import Model
from prefalign.records.run import MODEL_DIR, RUN_FILE, RunRecord, read_run
from prefdata.errors import InputError


class FinishedRun(NamedTuple):
    """A run directory, what its `run.json` says, and what to call it."""

    name: str
    directory: Path
    record: RunRecord

    @property
    def base(self) -> Model:
        """Returns the model block of the run file."""
        return Model(**self.record.config["model"])


def find_runs(directories: list[Path]) -> list[FinishedRun]:
    """Returns the runs in these directories, each under a name of its own.

    Raises:
        InputError: a directory holds no finished run.
    """
    named = zip(_names(directories), directories, strict=True)
    return [FinishedRun(name, directory, _read(directory)) for name, directory in named]


def _names(directories: list[Path]) -> list[str]:
    """Returns the directories' names, or whole paths where two share a name."""
    names = [directory.resolve().name for directory in directories]
    unique = len({*names, UNTOUCHED}) == len(names) + 1
    return names if unique else [str(directory) for directory in directories]


def _read(directory: Path) -> RunRecord:
    try:
        return read_run(directory)
    except FileNotFoundError as error:
        raise InputError(
            f"{directory}: no {RUN_FILE}, so no finished run",
            hint="give the output.dir of a run that `prefalign train` has finished",
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise InputError(
            f"{directory / RUN_FILE}: {where}: {first['msg']}",
            hint="train again, or compare with the version that trained it",
        ) from error


def models(runs: list[FinishedRun]) -> Iterator[tuple[str, Any, RunRecord]]:
    """Yields the untouched model and then each run's, one at a time, on the best device.

    Each comes with its name and the record whose precision it runs in.
    """
    from prefalign.models.loading import best_device, load_model, load_trained

    device = best_device()
    first = runs[0]
    yield UNTOUCHED, load_model(first.base, first.record.precision).to(device), first.record
    for run in runs:
        trained = load_trained(run.directory / MODEL_DIR, run.base, run.record.precision)
        yield run.name, trained.to(device), run.record
