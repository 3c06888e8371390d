"""The sides of benchmarks.near: each reads a Parquet file of `id` and `text` and writes the ids it keeps.

    python -m benchmarks.near_sides prefdata rows.parquet kept.parquet

All use signatures of 15 bands of 5 rows over five-word shingles, so all find a pair of one similarity with
one probability. prefdata also compares each candidate exactly; the others take every candidate for a
duplicate, as people run them.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import polars as pl

BANDS, ROWS, SHINGLE, THRESHOLD = 15, 5, 5, 0.8

_NO_WORD = re.compile(r"\W", re.UNICODE)  # text-dedup's


def run_prefdata(rows: Path, kept: Path) -> None:
    from prefdata.near import clusters

    frame = pl.read_parquet(rows)
    labels = clusters(frame["text"], THRESHOLD).labels
    frame.filter(labels == pl.int_range(pl.len())).select("id").write_parquet(kept)


def run_datasketch(rows: Path, kept: Path) -> None:
    import xxhash
    from datasketch import MinHash, MinHashLSH

    frame = pl.read_parquet(rows)
    empty = MinHash(BANDS * ROWS, hashfunc=xxhash.xxh32_intdigest)
    index = MinHashLSH(num_perm=BANDS * ROWS, params=(BANDS, ROWS))
    first = []
    for number, text in frame.iter_rows():
        sketch = empty.copy()
        sketch.update_batch(_shingles(text))
        if not index.query(sketch):
            first.append(number)
        index.insert(number, sketch, check_duplication=False)
    pl.DataFrame({"id": first}).write_parquet(kept)


def _shingles(text: str) -> list[bytes]:
    words = [word for word in _NO_WORD.split(text.lower()) if word]
    last = max(len(words) - SHINGLE, 0)
    return [" ".join(words[at : at + SHINGLE]).encode() for at in range(last + 1)]


def run_text_dedup(rows: Path, kept: Path) -> None:
    from datasets import load_from_disk

    with tempfile.TemporaryDirectory() as name:
        options = {
            "path": "parquet",
            "data_files": rows,
            "split": "train",
            "cache_dir": f"{name}/cache",
            "output": f"{name}/out",
            "column": "text",
            "ngram": SHINGLE,
            "min_length": 1,
            "num_perm": BANDS * ROWS,
            "b": BANDS,
            "r": ROWS,
            "hash_func": "xxh3",
            "hash_bits": 32,
            "num_proc": 1,
        }
        given = [str(part) for key, value in options.items() for part in (f"--{key}", value)]
        subprocess.run([sys.executable, "-m", "text_dedup.minhash", *given], check=True)
        ids = load_from_disk(f"{name}/out")["id"]
    pl.DataFrame({"id": list(ids)}).write_parquet(kept)


SIDES: dict[str, Callable[[Path, Path], None]] = {
    "prefdata": run_prefdata,
    "datasketch": run_datasketch,
    "text-dedup": run_text_dedup,
}


def installed() -> list[str]:
    """Returns the sides that can run here."""
    return [name for name in SIDES if find_spec(name.replace("-", "_"))]


if __name__ == "__main__":
    SIDES[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))
