"""Checkpoints of a run: there whole or not at all, whatever kills the run, and told from damaged ones.

They are written in a directory aside. When every byte is on the disk, a manifest follows that has the
size and the hash of each file, and then the directory gets its name. What is taken away goes aside first.
So `checkpoint-N` is never half, and whatever lies aside at the next start is of no use to anybody.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import xxhash
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from prefdata.errors import PrefError

MANIFEST = "manifest.json"
KEPT = 2
"""Newest checkpoints that stay, so that one is left should the other be damaged."""

_ASIDE = ".saving"
_BLOCK = 1 << 24  # bytes read at a time
_READERS = 8


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Spent(_Part):
    """What a run had cost when a checkpoint was written, over all its starts."""

    seconds: float = Field(0.0, description="wall clock of training and evaluation")
    reference_pairs: int = Field(0, description="pairs that the reference had to score")


class _File(_Part):
    size: int
    xxh3: str = Field(description="XXH3-64 of the content, hex")


class Manifest(_Part):
    """What a checkpoint holds."""

    step: int
    processes: int = Field(description="that wrote it")
    spent: Spent
    files: dict[str, _File] = Field(
        description="by path in the checkpoint; this one is not among them"
    )

    def going_on(self, processes: int) -> str:
        """Returns what is said of a run that goes on from here in so many processes."""
        said = f"going on after step {self.step:,}"
        if self.processes != processes:
            said += (
                f", with {processes} instead of {self.processes} processes: "
                "same batches and losses; only dropout draws other random numbers"
            )
        return said


def checkpoints(directory: Path) -> list[Path]:
    """Returns the complete checkpoints of a run, the newest first."""
    found = [path.parent for path in directory.glob(f"checkpoint-*/{MANIFEST}")]
    return sorted(found, key=step_of, reverse=True)


def newest_checkpoint(directory: Path) -> Path | None:
    """Returns the newest complete checkpoint of a run."""
    return next(iter(checkpoints(directory)), None)


def step_of(checkpoint: Path) -> int:
    """Returns the optimiser step after which a checkpoint was written."""
    return int(checkpoint.name.rpartition("-")[2])


def read_manifest(checkpoint: Path) -> Manifest:
    """Returns what a checkpoint says it holds.

    Raises:
        ValidationError: it has been damaged.
    """
    return Manifest.model_validate_json((checkpoint / MANIFEST).read_bytes())


def undamaged_checkpoint(directory: Path, say: Callable[[str], None]) -> Path | None:
    """Returns the newest checkpoint whose files are what was written; None where there is none at all.

    Args:
        directory: of the run.
        say: told of each that is damaged.

    Raises:
        PrefError: there are some, and all of them are damaged.
    """
    reasons = []
    for checkpoint in checkpoints(directory):
        reason = damage(checkpoint)
        if reason is None:
            return checkpoint
        say(f"{reason}: {checkpoint.name} is damaged and passed over")
        reasons.append(reason)
    if reasons:
        raise PrefError(
            f"{'; '.join(reasons)}: no checkpoint is left to go on from",
            hint="restore the files, or start afresh: add --overwrite",
        )
    return None


def damage(checkpoint: Path) -> str | None:
    """Returns what is wrong with a complete checkpoint since it was written; None for nothing."""
    try:
        manifest = read_manifest(checkpoint)
    except (OSError, ValidationError):
        return f"{checkpoint / MANIFEST}: cannot be read"
    for name, written in manifest.files.items():
        path = checkpoint / name
        size = path.stat().st_size if path.exists() else None
        if size != written.size:
            is_now = "is missing" if size is None else f"has {size:,} bytes"
            return f"{path}: {is_now}, {written.size:,} were written"
    for name, found in _contents(checkpoint).items():
        if name in manifest.files and found.xxh3 != manifest.files[name].xxh3:
            return f"{checkpoint / name}: is not what was written (XXH3 {found.xxh3})"
    return None


def discard_leftovers(directory: Path) -> None:
    """Removes what a run left aside that was killed while it wrote or removed a checkpoint."""
    shutil.rmtree(directory / _ASIDE, ignore_errors=True)


class Saving:
    """One checkpoint on its way to the disk; all processes write to `directory`, the first does the rest.

    Args:
        run: directory of the run.
        step: after which it is written.
    """

    def __init__(self, run: Path, step: int) -> None:
        self.run = run
        self.step = step
        self.aside = run / _ASIDE
        self.directory = self.aside / f"checkpoint-{step}"

    def begin(self) -> None:
        """Makes an empty place aside."""
        discard_leftovers(self.run)
        self.directory.mkdir(parents=True)

    def settle(self) -> None:
        """Waits until every byte is on the disk; a process of each machine calls it."""
        for path in _files(self.directory):
            _settle(path)

    def complete(self, processes: int, spent: Spent) -> Path:
        """Adds the manifest and gives the checkpoint its name; returns where it is."""
        files = _contents(self.directory)
        manifest = Manifest(step=self.step, processes=processes, spent=spent, files=files)
        path = self.directory / MANIFEST
        path.write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
        _settle(path)
        for folder in (*_folders(self.directory), self.directory):
            _settle(folder)
        final = self.run / self.directory.name
        self._remove(final)  # a damaged one, or one of a run that has gone on from an older one
        self.directory.replace(final)
        _settle(self.run)
        return final

    def prune(self, spared: Collection[str]) -> None:
        """Removes all checkpoints but the newest `KEPT` and those of the names in `spared`."""
        for old in checkpoints(self.run)[KEPT:]:
            if old.name not in spared:
                self._remove(old)
        discard_leftovers(self.run)

    def _remove(self, checkpoint: Path) -> None:
        if checkpoint.exists():
            checkpoint.replace(self.aside / f"old-{checkpoint.name}")


def _files(directory: Path) -> list[Path]:
    return sorted(path for path in directory.rglob("*") if path.is_file())


def _folders(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_dir()]


def _settle(path: Path) -> None:
    """Returns when the content of a file, or the names in a directory, would survive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _contents(directory: Path) -> dict[str, _File]:
    """Returns size and hash of each file but the manifest, read by several threads."""
    paths = [path for path in _files(directory) if path != directory / MANIFEST]
    with ThreadPoolExecutor(_READERS) as readers:
        found = readers.map(_content, paths)
        return {
            str(path.relative_to(directory)): content
            for path, content in zip(paths, found, strict=True)
        }


def _content(path: Path) -> _File:
    digest, size = xxhash.xxh3_64(), 0
    with path.open("rb", buffering=0) as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            size += len(block)
    return _File(size=size, xxh3=digest.hexdigest())
