"""What stands around a set: evaluation sets that it must not contain, its manifest, ties."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from prefdata import frame
from prefdata.checks import Benchmark, Provenance
from prefdata.conversion import ConvertOptions, convert
from prefdata.errors import FormatError, InputError
from prefdata.io.manifest import sibling
from prefdata.io.read import read, source_name, spooled

PROMPT_COLUMNS = ("prompt", "question", "instruction", "problem", "query", "turns", "messages")
_ROWS_LOOKED_AT = 100


def read_benchmark(source: str) -> Benchmark:
    """Returns the prompts of an evaluation set: the texts of their user turns.

    Args:
        source: a file or hub dataset of any layout that `prefdata convert` knows, a table with one of
            the columns `PROMPT_COLUMNS`, or a `.txt` of one prompt a line.

    Raises:
        InputError: it cannot be read.
        FormatError: it has no prompts.
    """
    found = _lines(source) if source.endswith(".txt") else _of_layout(source) or _of_column(source)
    prompts = [text for text in dict.fromkeys(found) if text.strip()]
    if not prompts:
        raise FormatError(
            f"{source}: no prompts found{_fields(source)}",
            hint=f"name the column of its prompts {', '.join(PROMPT_COLUMNS[:3])}, or give a .txt"
            " of one prompt a line",
        )
    return Benchmark(source_name(source), pl.Series("prompt", prompts, pl.String))


def read_provenance(source: str) -> Provenance:
    """Returns where a set says that it comes from: the manifest beside it, if there is one.

    Raises:
        InputError: the manifest is not JSON.
    """
    path = Path(source)
    manifest = sibling(path, ".manifest.json")
    if not path.is_file() or not manifest.is_file():
        return Provenance(path=source)
    try:
        content = json.loads(manifest.read_bytes())
    except ValueError as error:
        raise InputError(
            f"{manifest}: not a manifest: {error}", hint="convert the set again, or remove the file"
        ) from error
    return Provenance(path=source, manifest=content if isinstance(content, dict) else None)


def read_ties(source: str) -> pl.DataFrame:
    """Returns the ties that a conversion wrote beside a set; none where it wrote none."""
    return _beside(source, "ties", frame.TIES)


def read_unpaired(source: str) -> pl.DataFrame:
    """Returns the unpaired ratings that a conversion wrote beside a set; none where it wrote none."""
    return _beside(source, "unpaired", frame.UNPAIRED)


def _beside(source: str, part: str, schema: pa.Schema) -> pl.DataFrame:
    path = Path(source)
    file, empty = sibling(path, f".{part}{path.suffix}"), frame.to_polars(schema.empty_table())
    if not path.is_file() or not file.is_file():
        return empty
    try:
        if path.suffix == ".parquet":
            return pl.read_parquet(file).select(empty.columns)
        return pl.read_ndjson(file, schema=empty.schema)
    except pl.exceptions.PolarsError as error:
        raise InputError(
            f"{file}: not the {part} of a set: {str(error)[:60]}", hint="convert the set again"
        ) from error


def _lines(source: str) -> list[str]:
    with spooled(source) as path:
        if path is None:
            return []
        try:
            return path.read_text(encoding="utf-8-sig").splitlines()
        except UnicodeDecodeError as error:
            raise InputError(
                f"{source}: not UTF-8: {error.reason}", hint="save it as UTF-8"
            ) from error


def _of_layout(source: str) -> list[str]:
    """Returns the prompts of a set whose layout we know; none of any other."""
    try:
        found = convert([source], ConvertOptions(allow_evaluation_set=True))
    except FormatError:
        return []
    parts = (found.pairs, found.ties, found.unpaired)
    return [_asked(turns) for part in parts for turns in part["prompt"].drop_nulls().to_list()]


def _of_column(source: str) -> list[str]:
    with spooled(source) as path:
        records = (row.record for row in read(source, path) if isinstance(row.record, dict))
        return [_prompt(record) for record in records]


def _prompt(record: dict[str, Any]) -> str:
    """Returns what a record asks, under the first of the usual names; no text where there is none."""
    given = (record[name] for name in PROMPT_COLUMNS if record.get(name))
    value = next(given, "")
    if isinstance(value, str):
        return value
    return _asked(value) if isinstance(value, list) else ""


def _asked(turns: Sequence[Any]) -> str:
    """Returns the user's turns as one text; system prompts are shared by unrelated prompts."""
    return "\n".join(filter(None, map(_of_user, turns)))


def _of_user(turn: Any) -> str | None:
    """Returns the text of a turn that is the user's; a bare text is."""
    if isinstance(turn, dict):
        content = turn.get("content") if turn.get("role") == "user" else None
    else:
        content = turn
    return content if isinstance(content, str) else None


def _fields(source: str) -> str:
    with spooled(source) as path:
        rows = islice(read(source, path), _ROWS_LOOKED_AT)
        names = dict.fromkeys(
            name for row in rows if isinstance(row.record, dict) for name in row.record
        )
    return f"; its rows have {', '.join(names)}"[:120] if names else ""
