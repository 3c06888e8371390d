"""Splits a set by prompt, never by row, so that no prompt is on two sides.

Prompts are put in the order of xxh3_64(prompt_id, seed) and laid end to end, each as long as it has
pairs; the parts take consecutive stretches of that line. So the result depends on the content and
the seed alone: not on the order of rows, the machine or the release.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl
import xxhash

from prefdata.errors import InputError

TRAIN = "train"


def split(
    pairs: pl.DataFrame, shares: Mapping[str, float], *, seed: int = 0
) -> dict[str, pl.DataFrame]:
    """Returns part name -> pairs; what `shares` leaves over is `train`.

    A prompt whose pairs lie across a boundary goes to the part that holds the middle of them, so a
    part misses its share by half a prompt at most.

    Args:
        pairs: canonical columns; the order of rows is kept within each part.
        shares: part name -> share of pairs, each > 0, together < 1.
        seed: another seed, another split.

    Raises:
        InputError: a part would be empty, because there are too few prompts.
    """
    part_of = _assign(pairs["prompt_id"], shares, seed)
    labelled = pairs.select(
        part=pl.col("prompt_id").replace_strict(part_of, return_dtype=pl.String)
    )
    parts = {name: pairs.filter(labelled["part"] == name) for name in (TRAIN, *shares)}
    empty = [name for name, part in parts.items() if part.is_empty()]
    if empty:
        raise InputError(
            f"{_prompts(len(part_of))} too few: {' and '.join(empty)} would be empty",
            hint="a prompt is never divided; ask for a larger share, or fewer parts",
        )
    return parts


def shared_prompts(parts: Mapping[str, pl.DataFrame]) -> int:
    """Returns how many prompts occur in more than one part."""
    prompts = pl.concat(part["prompt_id"].unique() for part in parts.values())
    return int((prompts.value_counts()["count"] > 1).sum())


def _prompts(number: int) -> str:
    return "1 prompt is" if number == 1 else f"{number:,} prompts are"


def _assign(prompt_ids: pl.Series, shares: Mapping[str, float], seed: int) -> dict[str, str]:
    sizes = dict(prompt_ids.value_counts().iter_rows())
    line = sorted(
        sizes, key=lambda prompt: (xxhash.xxh3_64_intdigest(prompt.encode(), seed), prompt)
    )
    bounds = []
    end = 0.0
    for name, share in shares.items():
        end += share * len(prompt_ids)
        bounds.append((end, name))
    parts = {}
    start = 0
    for prompt in line:
        middle = start + sizes[prompt] / 2
        parts[prompt] = next((name for end, name in bounds if middle < end), TRAIN)
        start += sizes[prompt]
    return parts
