"""HH transcripts to canonical Parquet: prefdata against datasets.map with TRL's extract_prompt.

    python -m benchmarks.convert --rows 100000

Both run as processes of their own on the same file, alternating; the best of the rounds counts.
CPU seconds and peak memory come from the kernel (getrusage of the child).
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

FIXTURE = Path(__file__).parents[1] / "tests/fixtures/formats/hh-rlhf/in.jsonl"

PEER = """
import sys, datasets, trl
datasets.disable_progress_bars()
rows = datasets.load_dataset("json", data_files=sys.argv[1], split="train", cache_dir=sys.argv[3])
def split(text):
    parts = text.split("\\n\\nHuman: ")[1:]
    turns = []
    for part in parts:
        user, *answers = part.split("\\n\\nAssistant:")
        turns.append({"role": "user", "content": user})
        turns += [{"role": "assistant", "content": answer[1:]} for answer in answers]
    return turns
rows = rows.map(lambda r: {"chosen": split(r["chosen"]), "rejected": split(r["rejected"])})
rows.map(trl.extract_prompt).to_parquet(sys.argv[2])
"""


class Measured(NamedTuple):
    """One run of one side."""

    wall_s: float
    cpu_s: float
    peak_mb: float


def write_rows(path: Path, count: int) -> None:
    """Writes `count` rows by cycling real transcripts; a running number keeps them distinct."""
    transcripts = [
        row
        for row in map(json.loads, FIXTURE.read_text(encoding="utf-8").splitlines())
        if row["chosen"].rpartition("\n\nAssistant:")[0]
        == row["rejected"].rpartition("\n\nAssistant:")[0]
    ]
    with path.open("w", encoding="utf-8") as file:
        for number, row in zip(range(count), itertools.cycle(transcripts), strict=False):
            opening = f"\n\nHuman: ({number}) "
            numbered = {
                k: opening + row[k].removeprefix("\n\nHuman: ") for k in ("chosen", "rejected")
            }
            file.write(json.dumps(numbered, ensure_ascii=False) + "\n")


def measure(command: list[str]) -> Measured:
    """Runs a command and returns its wall time, CPU time and peak memory."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    stderr = process.stderr.read() if process.stderr else b""
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    if status:
        sys.exit(f"{command}: failed\n{stderr.decode()[-2000:]}")
    return Measured(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def main() -> None:
    """Prints a table with both sides and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=2)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "hh.jsonl"
        write_rows(source, args.rows)
        ours, peer = [], []
        for round_ in range(args.rounds):
            out = str(folder / f"ours{round_}.parquet")
            ours.append(
                measure([sys.executable, "-m", "prefdata", "convert", str(source), "-o", out])
            )
            out, cache = str(folder / f"peer{round_}.parquet"), str(folder / f"cache{round_}")
            peer.append(measure([sys.executable, "-c", PEER, str(source), out, cache]))
        best_ours, best_peer = min(ours), min(peer)
        size = source.stat().st_size / 1e6
        print(f"{args.rows:,} rows, {size:.0f} MB, best of {args.rounds}")
        print(f"{'':24}{'rows/s':>10}{'CPU s':>8}{'peak MB':>9}")
        for label, run in (("prefdata convert", best_ours), ("datasets.map + TRL", best_peer)):
            print(f"{label:24}{args.rows / run.wall_s:>10,.0f}{run.cpu_s:>8.1f}{run.peak_mb:>9.0f}")
        print(
            f"ratio: {best_peer.wall_s / best_ours.wall_s:.1f} times as fast,"
            f" {best_peer.cpu_s / best_ours.cpu_s:.1f} times less CPU,"
            f" {best_peer.peak_mb / best_ours.peak_mb:.1f} times less memory"
        )


if __name__ == "__main__":
    main()
