"""Checkpoints are whole or not there, whenever the process that writes them is killed, and damage is seen."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from prefalign.survival.checkpoints import (
    MANIFEST,
    Saving,
    Spent,
    checkpoints,
    damage,
    discard_leftovers,
    newest_checkpoint,
    undamaged_checkpoint,
)
from prefdata.errors import PrefError

FILES = {"model.safetensors": b"w" * 5000, "optimizer/0.distcp": b"m" * 9000, "state.json": b"{}"}


def save(run: Path, step: int, *, spared: tuple[str, ...] = ()) -> None:
    """Writes a checkpoint as the trainer does, its files differing from step to step."""
    saving = Saving(run, step)
    saving.begin()
    for name, content in FILES.items():
        path = saving.directory / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content + b"%d" % step)
    saving.settle()
    saving.complete(processes=2, spent=Spent(seconds=1.5, reference_pairs=3))
    saving.prune(spared)


def test_the_newest_two_stay_and_what_is_spared(tmp_path: Path) -> None:
    for step in (5, 10, 15, 20):
        save(tmp_path, step, spared=("checkpoint-5",))
    assert [path.name for path in checkpoints(tmp_path)] == [
        "checkpoint-20", "checkpoint-15", "checkpoint-5"
    ]  # fmt: skip
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "checkpoint-15", "checkpoint-20", "checkpoint-5"
    ]  # fmt: skip
    assert newest_checkpoint(tmp_path) == tmp_path / "checkpoint-20"


@pytest.mark.slow
@pytest.mark.parametrize("last", ["written for the first time", "written again"])
def test_killed_at_any_file_operation(tmp_path: Path, last: str) -> None:
    """A child is killed (SIGKILL) right before its first file operation, its second, and so on."""
    step = 15 if last == "written for the first time" else 10
    for operation in range(1, 1000):
        run = tmp_path / str(operation)
        run.mkdir()
        save(run, 5)
        save(run, 10)
        killed = _save_in_child(run, step, operation)
        found = checkpoints(run)
        assert found, operation
        assert [damage(path) for path in found] == [None] * len(found), operation
        assert set(run.glob("checkpoint-*")) == set(found), operation
        discard_leftovers(run)
        save(run, 20)
        assert newest_checkpoint(run) == run / "checkpoint-20"
        assert not (run / ".saving").exists()
        if not killed:
            break
    assert operation > 20  # operations that were interrupted


def _save_in_child(run: Path, step: int, operation: int) -> bool:
    """Returns whether the child was killed before it had saved."""
    child = os.fork()
    if child == 0:
        seen = 0

        def count(event: str, _arguments: object) -> None:
            nonlocal seen
            if event == "open" or event.startswith(("os.", "shutil.")):
                seen += 1
                if seen == operation:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(count)
        save(run, step)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (lambda path: os.truncate(path, 4000), "model.safetensors: has 4,000 bytes, 5,002 were"),
        (lambda path: path.unlink(), "model.safetensors: is missing, 5,002 were written"),
        (
            lambda path: path.write_bytes(b"W" * path.stat().st_size),
            "model.safetensors: is not what was written",
        ),
        (lambda path: os.truncate(path.with_name(MANIFEST), 9), "manifest.json: cannot be read"),
    ],
)
def test_damage_is_named_and_the_one_before_is_taken(
    tmp_path: Path, harm: Callable[[Path], None], reason: str
) -> None:
    save(tmp_path, 5)
    save(tmp_path, 10)
    said: list[str] = []
    assert undamaged_checkpoint(tmp_path, said.append) == tmp_path / "checkpoint-10"
    harm(tmp_path / "checkpoint-10" / "model.safetensors")
    assert undamaged_checkpoint(tmp_path, said.append) == tmp_path / "checkpoint-5"
    assert len(said) == 1
    assert f"{tmp_path / 'checkpoint-10'}/{reason}" in said[0]
    harm(tmp_path / "checkpoint-5" / "model.safetensors")
    with pytest.raises(PrefError, match="no checkpoint is left to go on from") as refused:
        undamaged_checkpoint(tmp_path, said.append)
    assert "--overwrite" in (refused.value.hint or "")


def test_nothing_to_go_on_from(tmp_path: Path) -> None:
    (tmp_path / "checkpoint-3").mkdir()  # somebody else's
    assert undamaged_checkpoint(tmp_path, print) is None
