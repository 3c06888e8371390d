"""Findings that are known and lived with, in a file, so that an old set can be checked for new ones.

A finding is known by its rule's name and its pair's id, or its file and row where it never became a
pair: neither level nor value counts, so a baseline outlives changes of either.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

import msgspec
import polars as pl
from msgspec import Struct

from prefdata.errors import InputError, PrefError
from prefdata.findings import Findings
from prefdata.io.write import atomic

VERSION = 1
_WHOLE_SET = "*"

Places: TypeAlias = dict[str, list[str]]


class Baseline(Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """Known findings.

    Attributes:
        version: of the file's shape.
        findings: rule name -> pair ids, `file:row` of rows that are no pairs, or `*` for the whole
            set; sorted, each once.
    """

    version: int
    findings: Places

    def __len__(self) -> int:
        return sum(map(len, self.findings.values()))


class Compared(Struct, frozen=True):
    """Findings beside a baseline.

    Attributes:
        new: the findings that it does not have, with the number of those it has.
        stale: its findings that are gone, of the rules that ran.
    """

    new: Findings
    stale: Places


def read_baseline(path: Path) -> Baseline:
    """Returns the baseline in a file.

    Raises:
        InputError: it is missing, or no baseline.
    """
    hint = f"`prefdata check SRC --write-baseline FILE` writes one; is {path} something else?"
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Baseline)
    except OSError as error:
        raise InputError(f"{path}: no baseline: {error.strerror}", hint=hint) from error
    except msgspec.DecodeError as error:
        raise InputError(f"{path}: not a baseline: {error}", hint=hint) from error
    if found.version != VERSION:
        raise InputError(f"{path}: a baseline of version {found.version}, not {VERSION}", hint=hint)
    return found


def compare(findings: Findings, baseline: Baseline) -> Compared:
    """Returns what a baseline does not have, and what it has in vain."""
    frame = findings.frame.with_columns(place=_place())
    known = frame.select(_is_in(baseline.findings)).to_series()
    counts = dict(findings.frame.filter(known)["name"].value_counts().iter_rows())
    rules = tuple(
        msgspec.structs.replace(
            rule, count=rule.count - counts.get(rule.name, 0), known=counts.get(rule.name, 0)
        )
        for rule in findings.rules
    )
    left = msgspec.structs.replace(findings, frame=findings.frame.filter(~known), rules=rules)
    ran = {rule.name for rule in findings.rules}
    held = {name: places for name, places in baseline.findings.items() if name in ran}
    return Compared(left, _less(held, _places(findings)))


def write_baseline(findings: Findings, path: Path, *, accept_new: bool = False) -> Baseline:
    """Writes every finding as known and returns the baseline.

    What an existing file says of rules that did not run is kept.

    Args:
        findings: all of them, none hidden by a baseline.
        path: the file; where it is a baseline, it is replaced.
        accept_new: also where findings are not in the file that is replaced.

    Raises:
        InputError: the file is there and no baseline, or cannot be written.
        PrefError: there are findings that the file does not have.
    """
    places = _places(findings)
    if path.exists():
        old = read_baseline(path).findings
        new = _less(places, old)
        if new and not accept_new:
            told = ", ".join(f"{len(found):,} {name}" for name, found in new.items())
            raise PrefError(
                f"{path}: has not these findings: {told}",
                hint="mend them, or add them to it with --accept-new",
            )
        ran = {rule.name for rule in findings.rules}
        places |= {name: found for name, found in old.items() if name not in ran}
    baseline = Baseline(VERSION, dict(sorted(places.items())))
    with atomic(path) as temporary:
        temporary.write_bytes(msgspec.json.format(msgspec.json.encode(baseline), indent=2) + b"\n")
    return baseline


def _places(findings: Findings) -> Places:
    frame = findings.frame.select("name", place=_place()).unique()
    groups = frame.group_by("name").agg(pl.col("place").sort()).sort("name")
    return dict(groups.iter_rows())


def _place() -> pl.Expr:
    row = pl.format("{}:{}", "file", "row")
    return pl.coalesce("id", row, pl.lit(_WHOLE_SET))


def _is_in(places: Places) -> pl.Expr:
    """Returns whether rows with `name` and `place` are among `places`."""
    known: Iterable[pl.Expr] = (
        (pl.col("name") == name) & pl.col("place").is_in(found) for name, found in places.items()
    )
    return pl.any_horizontal(pl.lit(value=False), *known)


def _less(places: Places, others: Places) -> Places:
    """Returns the places that are not among the others, by rule; no rule without any."""
    left = {name: sorted({*found} - {*others.get(name, ())}) for name, found in places.items()}
    return {name: found for name, found in left.items() if found}
