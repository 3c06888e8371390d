"""The dataset card of a canonical set: what it holds, where it comes from, how it was made."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import PurePath

from msgspec import Struct

from prefdata.io.manifest import Manifest
from prefdata.schema import PairRow

# the hub's own steps; the last one is open
_SIZES = (1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000)
_SIZE_NAMES = ("1K", "10K", "100K", "1M", "10M", "100M")


class Part(Struct, frozen=True):
    """One split: its file in the folder, what it holds, and the ledger of how it was made."""

    split: str
    file: str
    pairs: int
    prompts: int
    sources: dict[str, int]
    manifest: Manifest | None


def card(name: str, parts: Sequence[Part], licence: str | None) -> str:
    """Returns README.md of the dataset `name`, its YAML header included."""
    paragraphs = [
        _header(parts, licence),
        f"# {name.partition('/')[2]}",
        "One row is one strict preference: `chosen` is better than `rejected` as an answer to `prompt`."
        " Prompts are explicit, all text is as its source has it.",
        _table(["split", "pairs", "prompts"], ([p.split, p.pairs, p.prompts] for p in parts)),
        "## Use",
        f'```python\nimport prefdata\n\ntrain = prefdata.load("{name}@{parts[0].split}").to_hf()\n```',
        "`to_hf()` gives TRL's conversational schema; `.export(...)` writes the rows of other trainers.",
        "## Columns",
        _table(["column", "meaning"], _columns()),
        "## Where it comes from",
        _table(["source", "pairs"], _sources(parts)),
        *_addresses(parts),
        *_made(parts),
        "## Licence",
        f"`{licence}`"
        if licence
        else "TO BE FILLED IN: the licence of this set, which the licences of its sources limit.",
    ]
    return "\n\n".join(paragraphs) + "\n"


def _header(parts: Sequence[Part], licence: str | None) -> str:
    files = "".join(f"\n      - split: {p.split}\n        path: {p.file}" for p in parts)
    return f"""\
---
license: {json.dumps(licence or "unknown")}
task_categories:
  - text-generation
tags:
  - preference
  - dpo
  - rlhf
  - prefdata
size_categories:
  - {_size(sum(p.pairs for p in parts))}
configs:
  - config_name: default
    data_files:{files}
---"""


def _size(pairs: int) -> str:
    """Returns the hub's name for a number of rows.

    >>> _size(999), _size(1000), _size(200_000_000)
    ('n<1K', '1K<n<10K', 'n>100M')
    """
    step = sum(pairs >= size for size in _SIZES)
    if step == 0:
        return f"n<{_SIZE_NAMES[0]}"
    if step == len(_SIZES):
        return f"n>{_SIZE_NAMES[-1]}"
    return f"{_SIZE_NAMES[step - 1]}<n<{_SIZE_NAMES[step]}"


def _columns() -> Iterator[list[object]]:
    for name, field in PairRow.model_fields.items():
        yield [f"`{name}`", field.description or ""]


def _sources(parts: Sequence[Part]) -> Iterator[list[object]]:
    names = sorted(set(chain.from_iterable(p.sources for p in parts)))
    for name in names:
        yield [_code(name), sum(p.sources.get(name, 0) for p in parts)]


def _addresses(parts: Sequence[Part]) -> Iterator[str]:
    """Yields where the inputs are described, said once for all that are described there."""
    stated = {part.manifest.source_url for part in parts if part.manifest}
    if described := ", ".join(_code(url) for url in sorted(filter(None, stated))):
        yield f"Described at {described}."


def _made(parts: Sequence[Part]) -> Iterator[str]:
    """Yields how each split was made, said once where all were made by one command."""
    yield "## How it was made"
    told: list[Manifest | None] = []
    for part in parts:
        if part.manifest not in told:
            told.append(part.manifest)
            yield from _story(part)


def _story(part: Part) -> Iterator[str]:
    manifest = part.manifest
    if manifest is None:
        yield f"There is no manifest of {part.split}, so how it was made is not known."
        return
    yield f"By prefdata {manifest.prefdata_version}: {_code(' '.join(manifest.command))}"
    yield _table(
        ["input", "rows", "sha256"],
        ([_code(PurePath(f.file).name), f.rows, f.sha256 or "-"] for f in manifest.inputs),
    )
    counts = manifest.counts
    yield (
        f"{counts.rows:,} rows in: {counts.paired:,} gave {counts.pairs:,} pairs,"
        f" {counts.tied:,} ties, {counts.unpaired:,} were ratings alone,"
        f" {counts.quarantined:,} were set aside, {counts.skipped:,} were blank."
    )
    if manifest.layout:
        yield _table(["layout", "rows"], ([_code(e.name), e.rows] for e in manifest.layout))
    if manifest.reasons:
        reasons = ([_code(rule), rows] for rule, rows in manifest.reasons.items())
        yield _table(["set aside by rule", "rows"], reasons)


def _table(head: Sequence[str], rows: Iterator[list[object]]) -> str:
    lines = [list(head), ["---"] * len(head), *([_cell(value) for value in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _code(text: str) -> str:
    """Returns text as code that neither ends a table cell nor a line, nor is read as markup."""
    shown = "".join(c if c.isprintable() else " " for c in text).replace("|", "\\|")
    ticks = "``" if "`" in shown else "`"
    space = " " if "`" in shown else ""
    return f"{ticks}{space}{shown.replace('``', '` `')}{space}{ticks}"
