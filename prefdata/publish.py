"""Canonical sets to the Hugging Face hub: the folder that is uploaded, and its dataset card."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from prefdata.card import Part, card
from prefdata.conversion import read_pairs
from prefdata.errors import InputError
from prefdata.exporting.source import is_canonical
from prefdata.io.manifest import Manifest, sibling
from prefdata.io.write import atomic, write_pairs

if TYPE_CHECKING:
    import polars as pl

SPLITS = ("train", "validation", "test")
_PROGRAMS = {"dataset": "prefdata", "model": "prefalign"}


def splits_of(source: Path) -> dict[str, Path]:
    """Returns split -> file: the parts of a directory that `prefdata split` wrote, or one file.

    Raises:
        InputError: there is no such file, or no part in the directory.
    """
    if not source.is_dir():
        if not source.exists():
            raise InputError(f"{source}: no such file")
        return {"train": source}
    found = {split: source / f"{split}.parquet" for split in SPLITS}
    parts = {split: path for split, path in found.items() if path.exists()}
    if not parts:
        raise InputError(
            f"{source}: has no {', '.join(path.name for path in found.values())}",
            hint=f"prefdata split pairs.parquet -o {source}",
        )
    return parts


def prepare(source: Path, name: str, folder: Path, *, licence: str | None = None) -> list[Path]:
    """Writes what is uploaded as dataset `name` into an empty or new folder.

    Args:
        source: a converted set, or a directory of splits.
        name: `owner/name` on the hub.
        folder: receives README.md and data/SPLIT.parquet.
        licence: an identifier of the hub's list, e.g. `cc-by-4.0`; by default the one that the
            manifests of all parts name, else the card has a placeholder.

    Returns:
        The files, README.md first.

    Raises:
        InputError: the source cannot be read, or the folder holds files.
        FormatError: the source holds anything but canonical pairs.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder}: exists and is not empty", hint="name a new folder")
    parts = [_part(split, path, folder) for split, path in splits_of(source).items()]
    readme = folder / "README.md"
    with atomic(readme) as temporary:
        temporary.write_text(card(name, parts, licence or _stated(parts)), encoding="utf-8")
    return [readme, *(folder / part.file for part in parts)]


def _stated(parts: Sequence[Part]) -> str | None:
    """Returns the licence that the manifests of all parts agree on."""
    named = {part.manifest.licence if part.manifest else None for part in parts}
    return named.pop() if len(named) == 1 else None


def card_of(source: Path, name: str, *, licence: str | None = None) -> str:
    """Returns the dataset card of a set, as an upload as dataset `name` would have it.

    Args:
        source: a converted set, or a directory of splits.
        name: `owner/name` on the hub.
        licence: an identifier of the hub's list; else that of the manifest.

    Raises:
        InputError: the source cannot be read.
        FormatError: the source holds anything but canonical pairs.
    """
    parts = [
        _described(split, path, path if is_canonical(path) else None)
        for split, path in splits_of(source).items()
    ]
    return card(name, parts, licence or _stated(parts))


def _part(split: str, path: Path, folder: Path) -> Part:
    written = folder / _file(split)
    if is_canonical(path):
        with atomic(written) as temporary:
            shutil.copyfile(path, temporary)
    else:
        write_pairs(read_pairs(path), written)
    return _described(split, path, written)


def _file(split: str) -> str:
    return f"data/{split}.parquet"


def _described(split: str, path: Path, parquet: Path | None) -> Part:
    """Returns what a card says of a split; `parquet` holds its pairs, if any file of ours does."""
    import polars as pl

    pairs = read_pairs(path).lazy() if parquet is None else pl.scan_parquet(parquet)
    number, prompts = pairs.select(pl.len(), pl.col("prompt_id").n_unique()).collect().row(0)
    return Part(split, _file(split), number, prompts, _sources(pairs), _manifest(path))


def _sources(pairs: pl.LazyFrame) -> dict[str, int]:
    import polars as pl

    counted = pairs.group_by("source").agg(pl.len()).sort("source").collect()
    return dict(counted.iter_rows())


def _manifest(path: Path) -> Manifest | None:
    file = sibling(path, ".manifest.json")
    if not file.exists():
        return None
    try:
        return Manifest.model_validate_json(file.read_bytes())
    except ValueError:
        return None  # of another release: the card says that there is none


def upload(
    folder: Path,
    name: str,
    *,
    private: bool,
    kind: Literal["dataset", "model"] = "dataset",
    replaced: Sequence[str] = ("data/*.parquet",),
) -> str:
    """Uploads a prepared folder and returns the address.

    Args:
        folder: whose files are uploaded, all of them.
        name: `owner/name` on the hub.
        private: whether a new repository is.
        kind: of repository.
        replaced: patterns of files of an earlier upload that do not stay.

    Raises:
        InputError: the hub cannot be reached, or refuses.
    """
    from huggingface_hub import HfApi

    api = HfApi()
    try:
        address = api.create_repo(name, repo_type=kind, private=private, exist_ok=True)
        api.upload_folder(
            repo_id=name,
            repo_type=kind,
            folder_path=folder,
            commit_message=f"Upload with {_PROGRAMS[kind]}",
            delete_patterns=list(replaced),
        )
    except Exception as error:  # the hub's client raises its own errors and those of two others
        reason = str(error).partition("\n")[0]
        raise InputError(
            f"{name}: cannot be uploaded: {reason}",
            hint="check the name, the network and your login (hf auth login);"
            " --dry-run DIR writes what would be uploaded",
        ) from error
    return str(address)
