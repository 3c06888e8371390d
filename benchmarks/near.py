"""Near-duplicates: prefdata.near against datasketch and text-dedup, on one core, at equal recall.

    python -m benchmarks.near                        # 100,000 texts
    python -m benchmarks.near --rows 20000 --data DIR

The texts are those of benchmarks.convert (HH), and one in twenty once more with a few words replaced, at an
exact Jaccard similarity of 0.8 to 0.95. Each side is a process of its own, pinned to one core, that reads
the texts and writes the ids it keeps; wall and CPU time are those of the whole process. recall: planted
couples of which one text is gone. precision: those couples over all texts that are gone. A peer that is not
installed is left out; text-dedup asks for versions of its own, so:
`pip install --no-deps text-dedup==0.4.0 click-option-group`.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
from itertools import islice
from pathlib import Path
from random import Random
from typing import NamedTuple

import polars as pl

from benchmarks.convert_rows import hh_transcripts
from benchmarks.near_sides import SHINGLE, THRESHOLD, installed
from benchmarks.processes import Measured, measure
from benchmarks.report import machine, table

EVERY = 20
ALIKE = (THRESHOLD, 0.95)
PACKAGES = ("polars", "numpy", "rensa", "scipy", "datasketch", "text-dedup")

_WORD = re.compile(r"\w+")


class Result(NamedTuple):
    """What a side found and cost."""

    measured: Measured
    recall: float
    precision: float


def planted_rows(rows: int, data: Path | None) -> pl.DataFrame:
    """Returns `id`, `text` and `couple`: the same number for a text and its copy, null for others."""
    random = Random(0)
    texts = [made.record["chosen"] for made in islice(hh_transcripts(data), rows)]
    of: list[int | None] = [None] * rows
    for at in range(0, rows, EVERY):
        if copy := near_copy(texts[at], random):
            of[at] = at
            of.append(at)
            texts.append(copy)
    return pl.DataFrame({"id": range(len(texts)), "text": texts, "couple": of})


def near_copy(text: str, random: Random) -> str | None:
    """Returns the text with words replaced until it is as little alike as asked; None if it cannot be."""
    words, original = text.split(" "), shingles(text)
    for _ in range(len(words)):
        words[random.randrange(len(words))] = f"other{random.randrange(10**6)}"
        copy = " ".join(words)
        changed = shingles(copy)
        jaccard = len(original & changed) / len(original | changed)
        if jaccard < ALIKE[0]:
            return None
        if jaccard <= ALIKE[1]:
            return copy
    return None


def shingles(text: str) -> set[tuple[str, ...]]:
    """Returns the five-word shingles of a text, or all its words if they are fewer."""
    words = _WORD.findall(text.lower())
    last = max(len(words) - SHINGLE, 0)
    return {tuple(words[at : at + SHINGLE]) for at in range(last + 1)}


def run(side: str, rows: pl.DataFrame, folder: Path) -> Result:
    """Runs a side in a process of its own."""
    given, kept = folder / "rows.parquet", folder / f"{side}.parquet"
    rows.select("id", "text").write_parquet(given)
    measured = measure([sys.executable, "-m", "benchmarks.near_sides", side, str(given), str(kept)])
    gone = rows.join(pl.read_parquet(kept), on="id", how="anti")
    hits = gone["couple"].drop_nulls().n_unique()
    return Result(measured, hits / couples(rows), hits / max(gone.height, 1))


def couples(rows: pl.DataFrame) -> int:
    """Returns how many texts have a planted copy."""
    return rows["couple"].drop_nulls().n_unique()


def main() -> None:
    """Prints the table."""
    args = _arguments()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    rows = planted_rows(args.rows, args.data)
    mb = rows["text"].str.len_bytes().sum() / 1e6
    print(f"{rows.height:,} texts, {mb:,.0f} MB, {couples(rows):,} planted copies;")
    print(f"{machine(PACKAGES)}\n", flush=True)
    with tempfile.TemporaryDirectory() as name:
        results = {side: run(side, rows, Path(name)) for side in installed()}
    head = ("", "texts/s", "CPU s", "peak MB", "recall", "precision", "faster", "less CPU")
    ours = results["prefdata"].measured
    print(table(head, [_row(side, found, ours, rows.height) for side, found in results.items()]))


def _row(side: str, found: Result, ours: Measured, texts: int) -> tuple[str, ...]:
    cost = found.measured
    return (
        side,
        f"{texts / cost.wall_s:,.0f}",
        f"{cost.cpu_s:.1f}",
        f"{cost.peak_mb:,.0f}",
        f"{found.recall:.4f}",
        f"{found.precision:.4f}",
        f"{cost.wall_s / ours.wall_s:.1f}",
        f"{cost.cpu_s / ours.cpu_s:.1f}",
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=100_000, help="texts besides the copies")
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="take the texts from DIR/hh-rlhf/*.jsonl.gz"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
