"""Pairs to token ids: the token store against TRL's `DPOTrainer._prepare_dataset`, on the same cores.

    python -m benchmarks.tokens --pairs 100000                    # SmolLM2's tokenizer
    python -m benchmarks.tokens --pairs 20000 --data DIR --model DIR

The pairs are those of benchmarks.convert (HH). Each side is a process of its own, one after another; what is
timed: benchmarks/tokens_sides.py. TRL tokenises the first --trl-pairs of them, for it takes minutes, so
"faster" and "less CPU" compare costs a pair, with TRL as it is by default (one process). The same library:
as if fastokens were not installed. Every id is compared with TRL's, and ours among each other.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from benchmarks.convert_rows import hh_transcripts, write_rows
from benchmarks.report import machine, table
from benchmarks.tokens_sides import MAX_LENGTH
from prefdata import convert
from prefdata.io.write import write_pairs

PACKAGES = ("transformers", "tokenizers", "fastokens", "trl", "datasets", "polars", "pyarrow")
NAMES = {
    "trl": "TRL",
    "trl-parallel": "TRL, a process a core",
    "ours-real": "prefalign, the same library",
    "ours": "prefalign, the fast library",
    "ours-again": "prefalign, a second run",
    "ours-cut": f"prefalign, max_length {MAX_LENGTH} after that",
    "ours-cut-again": f"prefalign, max_length {MAX_LENGTH}, a second run",
}


class Result(NamedTuple):
    """What a side said, and where its ids are."""

    said: dict[str, Any]
    ids: Path

    def cost(self, what: str) -> float:
        """Returns microseconds a pair, `wall_s` or `cpu_s`."""
        return 1e6 * float(self.said[what]) / int(self.said["pairs"])


def run(side: str, model: str, pairs: Path, folder: Path) -> Result:
    """Runs a side as a process of its own; a failure ends the benchmark."""
    ids = folder / f"{side}.parquet"
    # what follows "ours" finds the store that "ours" has left
    cache = folder / ("real" if side == "ours-real" else "cache")
    command = [sys.executable, "-m", "benchmarks.tokens_sides", side, model, pairs, ids]
    done = subprocess.run(
        command, env=os.environ | {"PREFALIGN_CACHE": str(cache)}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    if done.returncode:
        sys.exit(f"{side}: failed\n{done.stderr[-2000:]}")
    return Result(json.loads(done.stdout.splitlines()[-1]), ids)


def equal(ours: Path, others: Path) -> str:
    """Returns how many pairs have the same ids in two files, as far as the shorter one goes."""
    left, right = pl.read_parquet(ours), pl.read_parquet(others)
    rows = min(left.height, right.height)
    same = pl.all_horizontal(
        pl.col(name).cast(pl.List(pl.Int32)) == pl.col(f"{name}_right").cast(pl.List(pl.Int32))
        for name in right.columns
    )
    together = left.head(rows).hstack(
        right.head(rows).rename({name: f"{name}_right" for name in right.columns})
    )
    return f"{together.select(same.sum()).item():,} of {rows:,}"


def main() -> None:
    """Prints the table."""
    args = _arguments()
    print(f"{machine(PACKAGES)}\n", flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pairs, first = _pairs(folder, args)
        results = {
            side: run(side, args.model, first if side.startswith("trl") else pairs, folder)
            for side in NAMES
        }
        head = (
            "",
            "pairs",
            "s",
            "CPU s",
            "pairs/s",
            "peak MB",
            "faster",
            "less CPU",
            "ids as TRL's",
        )
        print(table(head, [_row(side, results) for side in NAMES]))
        both = equal(results["ours"].ids, results["ours-real"].ids)
    print(f"\nThe two libraries agree on {both} pairs.")
    for side in ("ours-real", "ours", "ours-again"):
        said = results[side].said
        print(f"{NAMES[side]}: {said['library']}; {said['rendered']:,} pairs rendered")


def _pairs(folder: Path, args: argparse.Namespace) -> tuple[Path, Path]:
    """Writes the pairs, and the first of them for TRL."""
    rows = folder / "hh.jsonl"
    write_rows(islice(hh_transcripts(args.data), args.pairs), rows)
    pairs, first = folder / "pairs.parquet", folder / "first.parquet"
    write_pairs(convert([rows]).pairs, pairs)
    pl.read_parquet(pairs).head(args.trl_pairs).write_parquet(first)
    return pairs, first


def _row(side: str, results: dict[str, Result]) -> tuple[str, ...]:
    found, trl = results[side], results["trl"]
    whole = "cut" not in side
    return (
        NAMES[side],
        f"{found.said['pairs']:,}",
        f"{found.said['wall_s']:.2f}",
        f"{found.said['cpu_s']:.2f}",
        f"{1e6 / found.cost('wall_s'):,.0f}",
        f"{found.said['peak_mb']:,.0f}",
        f"{trl.cost('wall_s') / found.cost('wall_s'):.1f}",
        f"{trl.cost('cpu_s') / found.cost('cpu_s'):.1f}",
        equal(found.ids, trl.ids) if whole and side != "trl" else "",
    )


def _model() -> str:
    from prefalign.demo.model import find_model

    return find_model(print)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=100_000)
    parser.add_argument("--trl-pairs", type=int, default=20_000, help="of them that TRL tokenises")
    parser.add_argument("--model", help="whose tokenizer and template; SmolLM2, as the demo has it")
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="take the texts from DIR/hh-rlhf/*.jsonl.gz"
    )
    args = parser.parse_args()
    args.model = args.model or _model()
    return args


if __name__ == "__main__":
    main()
