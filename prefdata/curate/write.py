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
    refuse_to_overwrite(list(outputs), [source])
    if any(path.resolve() == Path(source).resolve() for path in parts):
        raise InputError(f"{source}: would be overwritten", hint="name another output with -o")
    written = [path for path, part in parts.items() if part.height or path in outputs]
    for path in parts:
        if path in written:
            write_pairs(parts[path], path)
        else:
            path.unlink(missing_ok=True)
    rows = sum(part.height for part in parts.values())
    results = sum(parts[path].height for path in outputs)
    file = Path(source)
    manifest = Manifest(
        command=list(command),
        **stated_terms(file),
        inputs=[FileEntry(file=source, sha256=sha256(file) if file.is_file() else None, rows=rows)],
        outputs=[FileEntry(file=p.name, sha256=sha256(p), rows=parts[p].height) for p in written],
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
