"""What `prefdata check` and `prefdata curate` take on large sets: time and memory, rule by rule.

    python -m benchmarks.check --pairs 1000000             # one command, then each rule alone
    python -m benchmarks.check --keys 5000000              # duplicates, contradictions and cycles
    python -m benchmarks.check --dedup-gb 10               # curate --dedup exact in bounded memory

Pairs are those of benchmarks.convert (HH) as `prefdata convert` writes them to Parquet, no two alike; to
be deduplicated, some are taken again and again with a number in every text. One pair in a hundred is there twice. The
command runs in a process of its own and is measured with all its children (benchmarks/processes.py); rules
then run one after the other on a set in memory, each with the others' measurements forgotten, so rules that
share one (both languages, the probes, prompt clusters) each bear it whole.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.convert_rows import hh_transcripts, write_rows
from benchmarks.processes import Measured, measure
from benchmarks.report import machine, table
from prefdata import __version__, frame
from prefdata.checks import RULES, Evidence, Rule, indexed
from prefdata.checks.duplicate_pair import duplicate_pair
from prefdata.conversion import ConvertOptions, convert, convert_to
from prefdata.edges import contradictions, on_cycles
from prefdata.keys import mixed
from prefdata.lint import lint

PACKAGES = ("polars", "pyarrow", "numpy", "scikit-learn", "rensa", "rapidfuzz")
REUSED = 200_000  # pairs of benchmarks.convert that a set to deduplicate is made of
AGAIN = 100  # every so many pairs one is repeated
COMMAND = [sys.executable, "-m", "prefdata"]
SEED = 0


class Cost(NamedTuple):
    """What a rule took, and what it found."""

    name: str
    wall_s: float
    cpu_s: float
    found: int


def write_set(path: Path, pairs: int, data: Path | None, made: int) -> float:
    """Writes a converted set of so many pairs, made of `made`, and returns the GB of its messages."""
    converted = path.with_suffix(".made.parquet")
    rows = write_rows(islice(hh_transcripts(data), min(pairs, made)), path.with_suffix(".jsonl"))
    convert_to([str(rows.path)], converted, ConvertOptions(), command=["benchmarks.check"])
    rows.path.unlink()
    base = pq.read_table(converted).combine_chunks()
    size = 0
    with pq.ParquetWriter(path, frame.PAIRS, compression="zstd", compression_level=1) as writer:
        for number, start in enumerate(range(0, pairs, base.num_rows)):
            part = _numbered(base.slice(0, pairs - start), number, start)
            for batch in part.to_batches(max_chunksize=4096):
                size += sum(batch[side].nbytes for side in ("prompt", "chosen", "rejected"))
                writer.write_batch(batch)
    return size / 1e9


def _numbered(base: pa.Table, number: int, start: int) -> pa.Table:
    """Returns the pairs with a number in every text, one pair in `AGAIN` taken from the row before.

    Args:
        base: the pairs.
        number: for the texts.
        start: how many rows of the file come before these.
    """
    columns = {name: base[name].combine_chunks() for name in base.column_names}
    for side in ("prompt", "chosen", "rejected"):
        columns[side] = _with_number(columns[side], number)
    rows = np.arange(base.num_rows)
    rows[AGAIN::AGAIN] -= 1
    columns["row"] = pa.array(np.arange(start + 1, start + base.num_rows + 1))
    given = {name: columns[name] for name in columns if name not in ("id", "prompt_id")}
    repeated = {
        name: column if name == "row" else column.take(pa.array(rows))
        for name, column in given.items()
    }
    return frame.with_ids(repeated, frame.PAIRS)


def _with_number(messages: pa.ListArray, number: int) -> pa.ListArray:
    import pyarrow.compute as pc

    turns = messages.flatten()
    fields = {turns.type.field(i).name: turns.field(i) for i in range(turns.type.num_fields)}
    marked = pc.binary_join_element_wise(fields["content"], f" <{number}>", "")
    counts = np.diff(messages.offsets.to_numpy())
    used = {name: values for name, values in fields.items() if values.null_count < len(values)}
    return frame.messages_column(counts, **used | {"content": marked})


def rule_costs(pairs: pl.DataFrame) -> Iterator[Cost]:
    """Yields what each label-only rule takes on the set, alone."""
    for rule in sorted(RULES, key=lambda rule: rule.code):
        if rule.kind not in ("read", "token") and rule.needs is None:
            yield _cost(rule, pairs)


def _cost(rule: Rule, pairs: pl.DataFrame) -> Cost:
    wall, cpu = time.perf_counter(), time.process_time()
    findings = lint(pairs, select=[rule.name])
    return Cost(
        rule.name,
        time.perf_counter() - wall,
        time.process_time() - cpu,
        sum(count.count for count in findings.rules),
    )


def key_edges(pairs: int) -> pl.DataFrame:
    """Returns ids and edges as `prefdata.edges` makes them: one prompt a pair on average, of five completions each."""
    random = np.random.default_rng(SEED)
    prompt = random.integers(0, pairs, pairs, np.uint64)
    ends = [random.integers(0, 5, pairs, np.uint64) for _ in range(2)]
    ends[1] = np.where(ends[0] == ends[1], (ends[1] + np.uint64(1)) % np.uint64(5), ends[1])
    winner, loser = (mixed(mixed(prompt, end), end) for end in ends)
    return pl.DataFrame(
        {"index": np.arange(pairs, dtype=np.uint32), "winner": winner, "loser": loser}
    )


def time_keys(pairs: int) -> str:
    """Returns a table of what looking across pairs takes, keys given."""
    edges = key_edges(pairs)
    places = edges.select(
        "index",
        id=pl.format("{}{}", "winner", "loser"),
        source=pl.lit("set"),
        file=pl.lit("set.jsonl"),
        row=pl.col("index").cast(pl.Int64),
    )
    rows = []
    for name, find in (
        ("exact duplicates", lambda: duplicate_pair(Evidence(pairs=places))),
        ("contradictions", lambda: contradictions(edges)),
        ("cycles", lambda: on_cycles(edges)),
    ):
        wall, cpu = time.perf_counter(), time.process_time()
        found = find().height
        rows.append((name, time.perf_counter() - wall, time.process_time() - cpu, found))
    rows.append(("together", *(sum(row[at] for row in rows) for at in (1, 2)), 0))
    return table(
        ("", "s", "CPU s", "pairs found"),
        [(name, f"{wall:.1f}", f"{cpu:.1f}", f"{n:,}" if n else "") for name, wall, cpu, n in rows],
    )


def _measured(cost: Measured) -> str:
    return f"{cost.wall_s:.0f} s, {cost.cpu_s:.0f} CPU s, at most {cost.peak_mb:,.0f} MB"


def _check(folder: Path, pairs: int, data: Path | None) -> None:
    path = folder / "pairs.parquet"
    size = write_set(path, pairs, data, pairs)
    print(
        f"{pairs:,} pairs, {size:.2f} GB of messages, {path.stat().st_size / 1e9:.2f} GB of Parquet"
    )
    cost = measure([*COMMAND, "check", str(path), "--fail-on", "never", "--statistics"])
    print(f"prefdata check: {_measured(cost)}\n", flush=True)
    costs = list(rule_costs(indexed(convert([path]).pairs)))
    head = ("rule", "s", "CPU s", "CPU µs a pair", "found")
    print(table(head, [_row(one, pairs) for one in costs]), flush=True)


def _row(cost: Cost, pairs: int) -> tuple[str, ...]:
    name, wall, cpu, found = cost
    return name, f"{wall:.1f}", f"{cpu:.1f}", f"{cpu / pairs * 1e6:.1f}", f"{found:,}"


def _dedup(folder: Path, gigabytes: float, data: Path | None) -> None:
    path, output = folder / "large.parquet", folder / "kept.parquet"
    pairs = int(gigabytes / write_set(path, 20_000, data, 20_000) * 20_000)
    size = write_set(path, pairs, data, REUSED)
    command = [*COMMAND, "curate", str(path), "-o", str(output), "--dedup", "exact"]
    cost = measure(command)
    kept = pq.read_metadata(output).num_rows
    parquet = path.stat().st_size / 1e9
    print(f"{pairs:,} pairs, {size:.2f} GB of messages, {parquet:.2f} GB of Parquet, {kept:,} kept")
    print(f"prefdata curate --dedup exact: {_measured(cost)}", flush=True)


def main() -> None:
    """Prints what was asked for."""
    args = _arguments()
    print(f"prefdata {__version__} on {machine(PACKAGES)}\n", flush=True)
    if args.keys:
        print(f"{args.keys:,} pairs\n\n{time_keys(args.keys)}\n", flush=True)
    with tempfile.TemporaryDirectory() as name:
        if args.pairs:
            _check(Path(name), args.pairs, args.data)
        if args.dedup_gb:
            _dedup(Path(name), args.dedup_gb, args.data)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, metavar="N", help="check so many pairs")
    parser.add_argument(
        "--keys", type=int, metavar="N", help="look across so many pairs, keys given"
    )
    parser.add_argument(
        "--dedup-gb", type=float, metavar="GB", help="deduplicate a set of this size"
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="texts of DIR/hh-rlhf/*.jsonl.gz")
    return parser.parse_args()


if __name__ == "__main__":
    main()
