"""The ledger of a run: what went in, what came out, and why every row is where it is."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from prefdata.errors import InputError
from prefdata.io.write import atomic
from prefdata.schema import SCHEMA_VERSION
from prefdata.version import __version__


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Counts(_Part):
    """Each input row has one disposition; `pairs` and `ties` count what those rows gave."""

    rows: int = 0
    paired: int = Field(0, description="rows that gave at least one pair")
    tied: int = Field(0, description="rows that gave ties and no pair")
    unpaired: int = Field(0, description="rows that gave ratings only")
    quarantined: int = Field(0, description="rows set aside with a reason")
    skipped: int = Field(0, description="rows that hold nothing: blank lines")
    pairs: int = 0
    ties: int = 0

    @model_validator(mode="after")
    def _rows_add_up(self) -> Counts:
        total = self.paired + self.tied + self.unpaired + self.quarantined + self.skipped
        if total != self.rows:
            raise ValueError(f"{self.rows} rows in, {total} accounted for")
        return self


class FileEntry(_Part):
    """A file that was read or written."""

    file: str
    sha256: str | None = Field(None, description="None for a hub dataset")
    rows: int


class JoinedEntry(FileEntry):
    """A file whose rows were joined to those of the inputs."""

    unused: int = Field(description="rows that no row of the inputs has found")
    first_unused: int | None = Field(None, description="the first of them")


class LayoutEntry(_Part):
    """A layout that was found, why, and what else it could have been."""

    name: str
    rows: int
    evidence: list[str] = Field(default_factory=list, description="facts seen in its first row")
    runners_up: list[str] = Field(default_factory=list)


class Manifest(_Part):
    """`X.manifest.json`, written beside every output X. Holds no time, so equal runs give equal bytes."""

    schema_version: int = SCHEMA_VERSION
    prefdata_version: str = __version__
    command: list[str] = Field(description="as typed")
    licence: str | None = Field(None, description="under which the set may be used")
    source_url: str | None = Field(None, description="where its inputs are described")
    inputs: list[FileEntry]
    outputs: list[FileEntry]
    joined: list[JoinedEntry] = Field(default_factory=list)
    layout: list[LayoutEntry] = Field(default_factory=list)
    counts: Counts
    reasons: dict[str, int] = Field(
        default_factory=dict, description="rule name -> rows quarantined, skipped or removed by it"
    )
    policies: dict[str, int] = Field(
        default_factory=dict, description="pairing policy -> pairs it would give of the rankings"
    )
    settings: dict[str, Any] = Field(
        default_factory=dict, description="what decided the result: policy, mapping, seed, rules"
    )


def sibling(output: Path, ending: str) -> Path:
    """Returns the path beside `output` with another ending: pairs.parquet -> pairs.manifest.json."""
    return output.with_name(output.name.removesuffix(output.suffix) + ending)


def sha256(path: Path) -> str:
    """Returns the SHA-256 of a file, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_manifest(manifest: Manifest, output: Path) -> Path:
    """Writes the manifest beside `output` and returns its path."""
    path = sibling(output, ".manifest.json")
    with atomic(path) as temporary:
        temporary.write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return path


def differences(path: Path, manifest: Mapping[str, Any]) -> Iterator[str]:
    """Yields a sentence where a file is not the one that `manifest`, as JSON, says was written.

    Args:
        path: the file; one that is not there differs in nothing.
        manifest: as it stands beside the file.
    """
    for entry in manifest.get("outputs", ()):
        if entry.get("file") == path.name and path.is_file():
            told, found = entry.get("sha256"), sha256(path)
            if told and told != found:
                yield f"{path} has the SHA-256 {found[:12]}…, its manifest says {told[:12]}…"


def stated_terms(source: Path) -> dict[str, Any]:
    """Returns `licence` and `source_url` as the manifest beside a file names them, if it does."""
    path = sibling(source, ".manifest.json")
    if not path.is_file():
        return {}
    try:
        manifest = Manifest.model_validate_json(path.read_bytes())
    except ValueError:
        return {}  # of another release, or none of ours
    return manifest.model_dump(include={"licence", "source_url"})


def refuse_to_overwrite(outputs: list[Path], inputs: list[str]) -> None:
    """Raises when writing would destroy an input, or a file that prefdata did not write.

    A file that stands in a manifest beside it is ours, and running the command again replaces it; so
    is one that a killed run put in place before it came to write its manifest.

    Raises:
        InputError: with the file it would have destroyed.
    """
    read = {Path(name).resolve() for name in inputs}
    for output in outputs:
        if output.resolve() in read:
            raise InputError(f"{output}: is also an input", hint="name another output with -o")
        signs = sibling(output, ".manifest.json"), output.with_name(f".{output.name}.partial")
        if output.exists() and not any(sign.exists() for sign in signs):
            raise InputError(
                f"{output}: exists, and was not written by prefdata",
                hint="name another output, or remove it first",
            )
