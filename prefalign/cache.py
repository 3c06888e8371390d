"""What is computed once and kept for every later run and every rank: token ids, reference log-probs."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from filelock import FileLock

from prefdata.errors import InputError
from prefdata.io.write import atomic


def cache_dir(kind: str) -> Path:
    """Returns the directory of one kind of result, under `PREFALIGN_CACHE` or ~/.cache/prefalign."""
    root = os.environ.get("PREFALIGN_CACHE")
    return (Path(root) if root else Path.home() / ".cache" / "prefalign") / kind


def once(path: Path, write: Callable[[Path], None]) -> None:
    """Makes sure that `path` exists, calling `write` in one process at most.

    Other processes wait for the writer and then find the file. It appears whole or not at all, so a
    writer that dies leaves nothing behind and the next one starts afresh.

    Args:
        path: what to make; its name must say everything that decides its content.
        write: writes the content to the path it is given.

    Raises:
        InputError: the cache cannot be written.
    """
    if path.exists():
        return
    with _locked(path):
        if path.exists():
            return
        for left in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
            left.unlink(missing_ok=True)  # of a writer that was killed: nobody else has the lock
        try:
            with atomic(path) as temporary:
                write(temporary)
        except InputError as error:
            if isinstance(error.__cause__, OSError):
                raise _unwritable(path, error.__cause__) from error
            raise


def _locked(path: Path) -> AbstractContextManager[Any]:
    """Returns the acquired lock of `path`; leaving it as a context releases it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(path.with_name(f"{path.name}.lock")).acquire()
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> InputError:
    return InputError(
        f"{path.parent}: the cache cannot be written: {error.strerror or error}",
        hint="make room there, or set PREFALIGN_CACHE to another directory",
    )
