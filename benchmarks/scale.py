"""One operation of each kind on this machine alone and under Ray Data, Daft and Spark, with the same result.

    python -m benchmarks.scale                       # 100,000 rows
    python -m benchmarks.scale --rows 20000 --engines ray daft

The rows are those of benchmarks.convert (HH), converted; one in twenty follows once more with a word
added, one in fifty as it is, one in a hundred with both sides the same. What runs on one machine is what
the commands run. Engines run the functions of prefdata.distributed as they are, on all cores of this
machine; times are wall times with the reading of the set, without the start of the engine. An
engine that is not installed is left out; the benchmark fails where a result differs. Then the examples in
scale.md are run, too.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import polars as pl
import pyarrow as pa

from benchmarks.convert_rows import Made, hh_transcripts, write_rows
from benchmarks.report import machine, table
from benchmarks.scale_engines import ENGINES, Engine, missing
from benchmarks.scale_examples import examples, run_example
from prefdata import check, read_pairs
from prefdata.curate.plan import Plan
from prefdata.curate.run import curate
from prefdata.curate.split import split
from prefdata.curate.steps.dedup import Dedup
from prefdata.distributed import curation, near, rules, splitting
from prefdata.frame import PAIRS, to_polars

PACKAGES = ("polars", "pyarrow", "ray", "daft", "pyspark")
EXACT = Plan(steps=(Dedup(),))
NEAR = Plan(steps=(Dedup(how="near"),))
SHARES = {"test": 0.1, "validation": 0.05}
PLACE = list(curation.PLACE)


class Kind(NamedTuple):
    """An operation twice: as a command runs it, and as an engine does."""

    alone: Callable[[pl.DataFrame], pl.DataFrame]
    spread: Callable[[Engine], pa.Table]


def rules_alone(pairs: pl.DataFrame) -> pl.DataFrame:
    return check(pairs, select=rules.names()).frame.select(rules.BROKEN.names)


def rules_spread(over: Engine) -> pa.Table:
    return over(rules.broken, rules.BROKEN)


def exact_alone(pairs: pl.DataFrame) -> pl.DataFrame:
    return curate(pairs, EXACT).kept.select(PLACE)


def exact_spread(over: Engine) -> pa.Table:
    keys = over(curation.keys, curation.keys_schema(EXACT), EXACT)
    removed = curation.resolve(keys, EXACT)
    return over(curation.apply, PAIRS, removed).select(PLACE)


def near_alone(pairs: pl.DataFrame) -> pl.DataFrame:
    return curate(pairs, NEAR).kept.select(PLACE)


def near_spread(over: Engine) -> pa.Table:
    keys = over(near.keys, near.keys_schema())
    removed = curation.REMOVED.empty_table()
    while (found := near_round(over, keys)).num_rows:
        removed = pa.concat_tables([removed, found])
        keys = curation.apply(keys, found)
    return over(curation.apply, PAIRS, removed).select(PLACE)


def near_round(over: Engine, keys: pa.Table) -> pa.Table:
    candidates = near.candidates(keys)
    documents = over(near.documents, near.DOCUMENTS, candidates)
    return near.resolve(keys, near.verify(documents, candidates))


def split_alone(pairs: pl.DataFrame) -> pl.DataFrame:
    parts = split(pairs, SHARES)
    labelled = (rows.select(*PLACE, part=pl.lit(name)) for name, rows in parts.items())
    return pl.concat(labelled)


def split_spread(over: Engine) -> pa.Table:
    parts = splitting.resolve(over(splitting.keys, splitting.KEYS), SHARES)
    labelled = over(splitting.apply, PAIRS.append(splitting.PARTS.field("part")), parts)
    return labelled.select([*PLACE, "part"])


KINDS = {
    "row rules": Kind(rules_alone, rules_spread),
    "exact duplicates": Kind(exact_alone, exact_spread),
    "near-duplicates": Kind(near_alone, near_spread),
    "split": Kind(split_alone, split_spread),
}


def planted(rows: int) -> Iterator[Made]:
    """Yields rows of HH, some of them again, and some with faults."""
    for at, made in enumerate(islice(hh_transcripts(None), rows)):
        yield made
        record = made.record
        if at % 20 == 0:
            longer = {side: f"{text} Indeed." for side, text in record.items()}
            yield Made(longer, pairs=1)
        if at % 50 == 0:
            yield made
        if at % 100 == 0:
            yield Made(dict.fromkeys(record, record["chosen"]), pairs=1)


def write_pairs(rows: int, folder: Path) -> Path:
    """Writes the set as `pairs.parquet` and returns its path."""
    raw, path = folder / "hh.jsonl", folder / "pairs.parquet"
    write_rows(planted(rows), raw)
    command = [sys.executable, "-m", "prefdata", "convert", str(raw), "-o", str(path)]
    subprocess.run(command, check=True, capture_output=True)
    return path


def alone(path: Path) -> tuple[dict[str, float], dict[str, pl.DataFrame]]:
    """Returns seconds and results without an engine."""
    seconds, results = {}, {}
    for name, kind in KINDS.items():
        started = time.perf_counter()
        found = kind.alone(read_pairs(str(path)))
        seconds[name] = time.perf_counter() - started
        results[name] = _ordered(found)
    return seconds, results


def spread(engine: str, path: Path, expected: dict[str, pl.DataFrame]) -> dict[str, float]:
    """Returns seconds under an engine; ends the benchmark where a result differs."""
    seconds = {}
    with ENGINES[engine](path) as over:
        for name, kind in KINDS.items():
            started = time.perf_counter()
            found = kind.spread(over)
            seconds[name] = time.perf_counter() - started
            if not _ordered(to_polars(found)).equals(expected[name]):
                sys.exit(f"{name} under {engine}: another result")
    return seconds


def _ordered(found: pl.DataFrame) -> pl.DataFrame:
    return found.sort(found.columns)


def main() -> None:
    """Prints the table, then runs the examples."""
    args = _arguments()
    skipped = {engine: why for engine in args.engines if (why := missing(engine))}
    with tempfile.TemporaryDirectory() as name:
        path = write_pairs(args.rows, Path(name))
        mb, pairs = path.stat().st_size / 1e6, read_pairs(str(path)).height
        print(f"{pairs:,} pairs, {mb:,.0f} MB of Parquet;\n{machine(PACKAGES)}\n", flush=True)
        seconds, results = alone(path)
        columns = {"alone": seconds}
        for engine in args.engines:
            if engine not in skipped:
                columns[engine] = spread(engine, path, results)
        print(table(("", "result", *columns), [_row(kind, results, columns) for kind in KINDS]))
        for engine, code in examples().items():
            if engine in args.engines and engine not in skipped:
                run_example(code, path)
                print(f"the example for {engine} gives the same split")
    for engine, why in skipped.items():
        print(f"{engine}: not run; {why}")


def _row(
    kind: str, results: dict[str, pl.DataFrame], columns: dict[str, dict[str, float]]
) -> tuple[str, ...]:
    times = (f"{seconds[kind]:.1f} s" for seconds in columns.values())
    return (kind, f"{results[kind].height:,}", *times)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=100_000, help="rows before any is repeated")
    parser.add_argument("--engines", nargs="*", choices=list(ENGINES), default=list(ENGINES))
    return parser.parse_args()


if __name__ == "__main__":
    main()
