"""The manifest of a set that was made out of others, where one row in need not be one row out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from prefdata.io.manifest import Counts, FileEntry, Manifest, sha256, write_manifest


def write_account(
    outputs: Mapping[Path, int],
    inputs: Mapping[str, int],
    *,
    reasons: Mapping[str, int],
    command: Sequence[str],
    settings: Mapping[str, Any],
) -> None:
    """Writes the manifest beside the first of `outputs`.

    Args:
        outputs: written file -> rows; the first is the result.
        inputs: source -> pairs that it holds.
        reasons: why pairs of the inputs are not in the result -> how many of them.
        command: the command line.
        settings: what decided the result.
    """
    rows, left_out = sum(inputs.values()), sum(reasons.values())
    result = next(iter(outputs))
    manifest = Manifest(
        command=list(command),
        inputs=[FileEntry(file=name, sha256=_digest(name), rows=n) for name, n in inputs.items()],
        outputs=[FileEntry(file=p.name, sha256=sha256(p), rows=n) for p, n in outputs.items()],
        counts=Counts(
            rows=rows, paired=rows - left_out, quarantined=left_out, pairs=outputs[result]
        ),
        reasons=dict(reasons),
        settings=dict(settings),
    )
    write_manifest(manifest, result)


def _digest(source: str) -> str | None:
    return sha256(Path(source)) if Path(source).is_file() else None
