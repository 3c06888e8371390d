"""The manifest of a set that was made out of others, where one row in need not be one row out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from prefdata.io.manifest import Counts, FileEntry, Manifest, sha256, stated_terms, write_manifest


def write_account(
    outputs: Mapping[Path, int],
    inputs: Mapping[str, int],
    counts: Counts,
    *,
    reasons: Mapping[str, int],
    command: Sequence[str],
    settings: Mapping[str, Any],
) -> None:
    """Writes the manifest beside the first of `outputs`.

    Licence and address of the source are those that the manifests of all inputs agree on.

    Args:
        outputs: written file -> rows; the first is the result.
        inputs: source -> rows that it holds.
        counts: what became of the rows of the inputs.
        reasons: why rows of the inputs are not in the result -> how many of them.
        command: the command line.
        settings: what decided the result.
    """
    result = next(iter(outputs))
    manifest = Manifest(
        command=list(command),
        **_common_terms(inputs),
        inputs=[FileEntry(file=name, sha256=_digest(name), rows=n) for name, n in inputs.items()],
        outputs=[FileEntry(file=p.name, sha256=sha256(p), rows=n) for p, n in outputs.items()],
        counts=counts,
        reasons={name: rows for name, rows in reasons.items() if rows},
        settings=dict(settings),
    )
    write_manifest(manifest, result)


def _common_terms(inputs: Mapping[str, int]) -> dict[str, Any]:
    first, *others = [stated_terms(Path(name)) for name in inputs]
    return {
        name: value
        for name, value in first.items()
        if all(other.get(name) == value for other in others)
    }


def _digest(source: str) -> str | None:
    return sha256(Path(source)) if Path(source).is_file() else None
