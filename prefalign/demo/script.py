"""What the demo does: its commands, each with a sentence on why, and the files they start from."""

from __future__ import annotations

import shlex
import shutil
from importlib.resources import as_file, files
from pathlib import Path
from typing import NamedTuple

from prefdata.errors import EXIT_FINDINGS, EXIT_OK, InputError

VOTES = "votes.json.gz"
PAGE = "comparison.html"
METHODS = ("dpo", "orpo")

_SHIPPED = (VOTES, *(f"{method}.yaml" for method in METHODS))
_WRITTEN = ("pairs.*", "curated.*", "data", "out", PAGE)


class Step(NamedTuple):
    """One command as a person types it. `expects` are the exit codes that are part of the story."""

    why: str
    line: str
    expects: tuple[int, ...] = (EXIT_OK,)


def prepare(directory: Path) -> None:
    """Makes `directory` ready for the demo; what an earlier demo left in it is replaced.

    Raises:
        InputError: it holds something that no demo has written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    earlier = {path for pattern in (*_SHIPPED, *_WRITTEN) for path in directory.glob(pattern)}
    foreign = sorted(set(directory.iterdir()) - earlier)
    if foreign:
        raise InputError(
            f"{directory}: holds files of yours: {foreign[0].name}",
            hint="give the demo a directory of its own: prefalign demo -o demo-out",
        )
    for path in earlier:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for name in _SHIPPED:
        with as_file(files("prefalign.demo") / name) as shipped:
            shutil.copyfile(shipped, directory / name)


def overrides(model: str, *, accelerator: bool, max_steps: int | None) -> list[str]:
    """Returns settings that differ from the shipped run files, as `key=value`.

    Args:
        model: the name or directory of the model.
        accelerator: there is one, so that nothing need be left out for the CPU's sake.
        max_steps: stop each training early.
    """
    settings = [f"model.name={model}"]
    if accelerator:
        settings.append("data.max_length=1024")
    if max_steps is not None:
        settings.append(f"optim.max_steps={max_steps}")
    return settings


def data_steps() -> list[Step]:
    """Returns the commands from raw votes to a training and a held-out set."""
    return [
        Step("What is in the file?", f"prefdata show {VOTES} -n 1"),
        Step(
            "Three people voted on each row: one pair a row, and every row accounted for.",
            f"prefdata convert {VOTES} -o pairs.parquet",
        ),
        Step(
            "What is wrong with the pairs? Findings end with exit code 1, as a linter's do.",
            "prefdata check pairs.parquet --max-per-rule 2",
            (EXIT_OK, EXIT_FINDINGS),
        ),
        Step(
            "Drop what has a safe fix: empty completions and repeated pairs.",
            "prefdata curate pairs.parquet -o curated.parquet",
        ),
        Step(
            "Hold a quarter out. Pairs of one prompt stay together.",
            "prefdata split curated.parquet -o data --test 0.25",
        ),
    ]


def train_step(method: str, settings: list[str], launch_line: str) -> Step:
    """Returns the command that trains.

    Args:
        method: one of `METHODS`.
        settings: overrides of its run file, `key=value`.
        launch_line: what the command starts, from `prefalign.launch.line.shell_line`.
    """
    flags = "".join(f" --set {shlex.quote(setting)}" for setting in settings)
    return Step(
        f"Train {method.upper()} adapters, through\n     {launch_line}",
        f"prefalign train {method}.yaml{flags}",
    )


def compare_step() -> Step:
    """Returns the command that compares the runs."""
    runs = " ".join(f"out/{method}" for method in METHODS)
    return Step(
        "Which is better, on pairs that neither has seen? The same tokens for all three models.",
        f"prefalign compare {runs} --html {PAGE} --samples 4",
    )
