"""Data files of a run: that they are there, hold canonical pairs, and are what their manifests say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from prefalign.config import RunConfig
from prefalign.preflight.problem import Problem
from prefdata.errors import InputError
from prefdata.formats import LAYOUTS
from prefdata.io import hub
from prefdata.io.manifest import differences, sibling
from prefdata.io.read import read
from prefdata.schema import PairRow


def sources(run: RunConfig) -> Iterator[tuple[str, str]]:
    """Yields `train` and, if there is one, `test`, each with its file or hub name."""
    yield "train", run.data.train
    if run.data.test is not None:
        yield "test", run.data.test


def count_pairs(name: str) -> int | None:
    """Returns the number of pairs in a data file; None where it is not known yet.

    Looks at the schema and the first row, not at all of them.

    Raises:
        InputError: the file is missing or holds no canonical pairs.
    """
    if hub.is_name(name) or hub.is_file(name):
        return None
    if not Path(name).exists():
        raise InputError(
            f"{name}: no such file",
            hint="make it: prefdata convert votes.json -o pairs.parquet && "
            "prefdata split pairs.parquet -o data",
        )
    path = Path(name)
    first = next((row for row in read(name, path) if row.record is not None or row.error), None)
    if first is None:
        raise InputError(f"{name}: holds no pairs")
    why = first.error.message if first.error else _not_a_pair(first.record)
    if why:
        raise InputError(
            f"{name}:{first.number}: not a canonical pair: {why}",
            hint=f"prefdata convert {name} -o pairs.parquet",
        )
    return _rows(path)


def _not_a_pair(record: object) -> str | None:
    """Returns what keeps a record from being a canonical pair; None for nothing."""
    try:
        PairRow.model_validate(record)
    except ValidationError as error:
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return None


def _rows(path: Path) -> int | None:
    """Returns the number of pairs in a file; None where counting them means reading all of it."""
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        return int(pq.read_metadata(path).num_rows)
    if path.suffix == ".jsonl":
        with path.open("rb") as file:
            return sum(1 for line in file if not line.isspace())
    return None


def manifest_problems(key: str, name: str) -> Iterator[Problem]:
    """Yields what the manifest beside a data file has against training on it.

    Args:
        key: `train` or `test`.
        name: the file; a hub dataset has no manifest beside it.
    """
    path = Path(name)
    manifest = _manifest(path)
    for sentence in differences(path, manifest):
        yield Problem(
            f"data.{key}",
            sentence,
            hint="the file was changed after it was made: make it again, or remove its manifest",
        )
    if key == "train":
        for layout in _evaluation_layouts(manifest):
            yield Problem(
                "data.train",
                f"{name}: made from {layout}, an evaluation set: a model trained on it cannot be "
                "measured with it",
                hint="use it as data.test",
            )


def _manifest(path: Path) -> dict[str, Any]:
    """Returns the manifest beside a file; nothing where there is none or it is unreadable."""
    beside = sibling(path, ".manifest.json")
    try:
        manifest = json.loads(beside.read_bytes())
    except (OSError, ValueError):
        return {}
    return manifest if isinstance(manifest, dict) else {}


def _evaluation_layouts(manifest: dict[str, Any]) -> Iterator[str]:
    named = {entry.get("name") for entry in manifest.get("layout", ())}
    yield from (layout.name for layout in LAYOUTS if layout.evaluation and layout.name in named)
