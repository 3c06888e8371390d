"""Splits a set by prompt, never by row, so that no prompt is on two sides.

Prompts that belong together (see `prefdata.curate.groups`) go as one. Within each source, groups are
put in the order of xxh3_64(name, seed) and laid end to end, each as long as it has pairs; the parts
take consecutive stretches of that line, and what a part got too much or too little of one source it
makes up for in the next. So the result depends on the content and the seed alone: not on the order of
rows, the machine or the release.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl
import xxhash

from prefdata.curate.groups import prompt_groups
from prefdata.errors import InputError

TRAIN = "train"


def split(
    pairs: pl.DataFrame, shares: Mapping[str, float], *, seed: int = 0, near: bool = False
) -> dict[str, pl.DataFrame]:
    """Returns part name -> pairs; what `shares` leaves over is `train`.

    Args:
        pairs: canonical columns; the order of rows is kept within each part.
        shares: part name -> share of pairs, each > 0, together < 1.
        seed: another seed, another split.
        near: whether near-duplicate prompts go together, too.

    Raises:
        InputError: a part would be empty, because there are too few prompts.
    """
    return divide(pairs, prompt_groups(pairs, near=near), shares, seed=seed)


def divide(
    pairs: pl.DataFrame, groups: pl.Series, shares: Mapping[str, float], *, seed: int = 0
) -> dict[str, pl.DataFrame]:
    """Returns part name -> pairs, as `split` does.

    A group whose pairs lie across a boundary goes to the part that holds the middle of them, so a
    part misses its share of a source by about one group at most.

    Args:
        pairs: canonical columns; the order of rows is kept within each part.
        groups: of each pair; no group is divided.
        shares: part name -> share of pairs, each > 0, together < 1.
        seed: another seed, another split.

    Raises:
        InputError: a part would be empty, because there are too few prompts.
    """
    part_of = assign(pairs["source"], groups, shares, seed)
    labelled = groups.replace_strict(part_of, return_dtype=pl.String)
    return {name: pairs.filter(labelled == name) for name in (TRAIN, *shares)}


def assign(
    sources: pl.Series, groups: pl.Series, shares: Mapping[str, float], seed: int
) -> dict[str, str]:
    """Returns group -> part.

    Args:
        sources: the source of each pair.
        groups: the group of each pair.
        shares: part name -> share of pairs, each > 0, together < 1.
        seed: another seed, another split.

    Raises:
        InputError: a part would be empty, because there are too few prompts.
    """
    part_of = _assign(_sizes(sources, groups), shares, seed)
    filled = set(part_of.values())
    if empty := [name for name in (TRAIN, *shares) if name not in filled]:
        raise InputError(
            f"{_prompts(len(part_of))} too few: {' and '.join(empty)} would be empty",
            hint="a prompt is never divided; ask for a larger share, or fewer parts",
        )
    return part_of


def shared_prompts(parts: Mapping[str, pl.DataFrame]) -> int:
    """Returns how many prompts occur in more than one part; pairs without a prompt share none."""
    asking = [part.filter(pl.col("prompt").list.len() > 0) for part in parts.values()]
    prompts = pl.concat(part["prompt_id"].unique() for part in asking)
    return int((prompts.value_counts()["count"] > 1).sum())


def row_split_leakage(groups: pl.Series, test: float, train: float) -> float:
    """Returns the share of the test part's groups that train would hold, too, had rows been drawn.

    The expectation over all random splits by row: a group of n pairs misses a part of share q with
    probability (1 - q)^n.

    Args:
        groups: the group, or the prompt, of each pair.
        test: share of pairs in the test part.
        train: share of pairs in the train part.
    """
    sizes = groups.value_counts()["count"].to_numpy()
    in_test = 1 - (1 - test) ** sizes
    in_neither = (1 - test - train) ** sizes
    in_both = in_test - (1 - train) ** sizes + in_neither
    return float(in_both.sum() / in_test.sum()) if len(sizes) else 0.0


def _prompts(number: int) -> str:
    return "1 prompt is" if number == 1 else f"{number:,} prompts are"


def _sizes(sources: pl.Series, groups: pl.Series) -> dict[str, dict[str, int]]:
    """Returns the groups of each source and their sizes; a group of several sources is of them all."""
    found = (
        pl.DataFrame({"source": sources, "group": groups})
        .group_by("group")
        .agg(pl.col("source").unique().sort().str.join("\0"), size=pl.len())
        .sort("source", "group")
    )
    sizes: dict[str, dict[str, int]] = {}
    for group, source, size in found.iter_rows():
        sizes.setdefault(source, {})[group] = size
    return sizes


def _assign(
    sources: Mapping[str, Mapping[str, int]], shares: Mapping[str, float], seed: int
) -> dict[str, str]:
    parts: dict[str, str] = {}
    owed = dict.fromkeys(shares, 0.0)
    for sizes in sources.values():
        total = sum(sizes.values())
        wanted = {name: share * total + owed[name] for name, share in shares.items()}
        placed = _lay_out(sizes, wanted, seed)
        parts |= placed
        for name in shares:
            got = sum(size for group, size in sizes.items() if placed[group] == name)
            owed[name] = wanted[name] - got
    return parts


def _lay_out(sizes: Mapping[str, int], wanted: Mapping[str, float], seed: int) -> dict[str, str]:
    """Returns group -> part for the groups of one source, `wanted` pairs for each part."""
    line = sorted(sizes, key=lambda group: (xxhash.xxh3_64_intdigest(group.encode(), seed), group))
    bounds = []
    end = 0.0
    for name, pairs in wanted.items():
        end += max(0.0, pairs)
        bounds.append((end, name))
    parts = {}
    start = 0
    for group in line:
        middle = start + sizes[group] / 2
        parts[group] = next((name for end, name in bounds if middle < end), TRAIN)
        start += sizes[group]
    return parts
