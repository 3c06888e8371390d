"""Parts of a set to files: every part atomically, and a manifest that accounts for all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from prefdata.errors import InputError
from prefdata.io.manifest import (
    Counts,
    FileEntry,
    Manifest,
    refuse_to_overwrite,
    sha256,
    sibling,
    stated_terms,
    write_manifest,
)
from prefdata.io.write import write_pairs


def write_parts(
    parts: Mapping[Path, pl.DataFrame],
    *,
    source: str,
    command: Sequence[str],
    outputs: Sequence[Path],
    reasons: Mapping[str, int] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> list[Path]:
    """Writes the parts that have rows, and one manifest of all beside each of `outputs`.

    A part without rows is not written, and its file from an earlier run is removed.

    Args:
        parts: path -> frame; together the pairs of `source`.
        source: what was read, for the manifest.
        command: the command line, for the manifest.
        outputs: the parts that count as results; pairs in the others were set aside.
        reasons: rule name -> pairs set aside.
        settings: what decided the result.

    Returns:
        The paths that were written.

    Raises:
        InputError: a file would overwrite the input, or one that is not ours, or cannot be written.
    """
    refuse_parts(list(parts), source, outputs)
    for path, part in parts.items():
        if part.height or path in outputs:
            write_pairs(part, path)
    return account_for(
        {path: part.height for path, part in parts.items()},
        source=source,
        command=command,
        outputs=outputs,
        reasons=reasons,
        settings=settings,
    )


def refuse_parts(parts: Sequence[Path], source: str, outputs: Sequence[Path]) -> None:
    """Raises where writing `parts` would destroy the input, or results that are not ours.

    Raises:
        InputError: names the file.
    """
    refuse_to_overwrite(list(outputs), [source])
    if any(path.resolve() == Path(source).resolve() for path in parts):
        raise InputError(f"{source}: would be overwritten", hint="name another output with -o")


def account_for(
    parts: Mapping[Path, int],
    *,
    source: str,
    command: Sequence[str],
    outputs: Sequence[Path],
    reasons: Mapping[str, int] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> list[Path]:
    """Writes the manifest of parts that are written, and removes the file of one without rows.

    Args:
        parts: path -> rows.
        source: see `write_parts`; so are the others.
        command: likewise.
        outputs: likewise.
        reasons: likewise.
        settings: likewise.

    Returns:
        The paths that have rows or are outputs.
    """
    written = [path for path, rows in parts.items() if rows or path in outputs]
    for path in parts.keys() - set(written):
        path.unlink(missing_ok=True)
    rows, results = sum(parts.values()), sum(parts[path] for path in outputs)
    file = Path(source)
    manifest = Manifest(
        command=list(command),
        **stated_terms(file),
        inputs=[FileEntry(file=source, sha256=sha256(file) if file.is_file() else None, rows=rows)],
        outputs=[FileEntry(file=p.name, sha256=sha256(p), rows=parts[p]) for p in written],
        counts=Counts.model_validate(
            {"rows": rows, "paired": results, "quarantined": rows - results, "pairs": results}
        ),
        reasons=dict(reasons or {}),
        settings=dict(settings or {}),
    )
    for path in outputs:
        write_manifest(manifest, path)
    return written


def forget(path: Path) -> None:
    """Removes a part that an earlier run wrote, with its manifest; others' files are left alone."""
    manifest = sibling(path, ".manifest.json")
    if manifest.exists():
        path.unlink(missing_ok=True)
        manifest.unlink()
