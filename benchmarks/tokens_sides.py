"""The sides of benchmarks.tokens: each tokenises a Parquet file of pairs and prints what that took.

    python -m benchmarks.tokens_sides trl MODEL pairs.parquet ids.parquet

A side prints one JSON object: seconds and CPU seconds, children included, from the first look at the pairs
to the end, without imports and without reading the pairs, and the largest resident memory of its first
process, pairs included. Ours loads the tokenizer once more in that time, chooses what tokenises and writes
the store; TRL's trainer is given a tokenizer. The ids go to the last argument.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
from types import SimpleNamespace
from typing import Any

import polars as pl

from prefalign.training.peak import peak_resident

WHOLE = 1_000_000_000  # a max_length that nothing reaches
MAX_LENGTH = 256


@contextmanager
def timed(**facts: Any) -> Iterator[dict[str, Any]]:
    """Prints what the block took, with facts that are known when it ends."""
    started, cpu = time.perf_counter(), _cpu_s()
    yield facts
    cost = {"wall_s": time.perf_counter() - started, "cpu_s": _cpu_s() - cpu}
    print(json.dumps({**cost, "peak_mb": peak_resident() / 1e6, **facts}))


def _cpu_s() -> float:
    used = [getrusage(who) for who in (RUSAGE_SELF, RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def run_trl(model: str, pairs: Path, ids: Path, processes: int | None = None) -> None:
    from datasets import load_dataset
    from transformers import AutoTokenizer
    from trl import DPOTrainer

    os.environ["TOKENIZERS_PARALLELISM"] = "true"
    tokenizer = AutoTokenizer.from_pretrained(model)
    rows = ids.with_suffix(".jsonl")
    _plain(pairs).write_ndjson(rows)
    data = load_dataset("json", data_files=str(rows), split="train", cache_dir=str(ids.parent))
    trainer = SimpleNamespace(_tokenizer=tokenizer)  # all that the method wants of it
    args = SimpleNamespace(
        dataset_num_proc=processes, max_length=None, truncation_mode="keep_start"
    )
    with timed(pairs=len(data), library=f"tokenizers, {processes or 1} process"):
        done = DPOTrainer._prepare_dataset(trainer, data, tokenizer, args, "train")
    done.select_columns(["prompt_ids", "chosen_ids", "rejected_ids"]).to_parquet(str(ids))


def _plain(pairs: Path) -> pl.DataFrame:
    """Returns the pairs as TRL reads them: messages of a role and a content."""
    message = pl.struct(pl.element().struct.field("role"), pl.element().struct.field("content"))
    sides = ("prompt", "chosen", "rejected")
    return pl.read_parquet(pairs).select(pl.col(side).list.eval(message) for side in sides)


def run_trl_parallel(model: str, pairs: Path, ids: Path) -> None:
    run_trl(model, pairs, ids, len(os.sched_getaffinity(0)))


def run_ours(model: str, pairs: Path, ids: Path) -> None:
    _store(model, pairs, ids, WHOLE)


def run_ours_real(model: str, pairs: Path, ids: Path) -> None:
    sys.modules["fastokens"] = None  # type: ignore[assignment]  # as if it were not installed
    _store(model, pairs, ids, WHOLE)


def run_ours_cut(model: str, pairs: Path, ids: Path) -> None:
    _store(model, pairs, ids, MAX_LENGTH)


def _store(model: str, pairs: Path, ids: Path, max_length: int) -> None:
    from prefalign.config import Data
    from prefalign.tokenise import tokenise
    from prefdata import read_pairs
    from prefdata.tokens import load_tokenizer

    load_tokenizer(model)  # so that what transformers imports then is not timed
    read = read_pairs(str(pairs))
    rendered = []
    data = Data(train=str(pairs), max_length=max_length)
    with timed(pairs=read.height) as facts:
        store = tokenise(read, load_tokenizer(model), data, progress=rendered.append)
        facts.update(library=store.library, rendered=sum(rendered), left=len(store))
    pl.DataFrame(store.table.select(["prompt_ids", "chosen_ids", "rejected_ids"])).write_parquet(
        ids
    )


SIDES: dict[str, Callable[[str, Path, Path], None]] = {
    "trl": run_trl,
    "trl-parallel": run_trl_parallel,
    "ours-real": run_ours_real,
    "ours": run_ours,
    "ours-again": run_ours,
    "ours-cut": run_ours_cut,
    "ours-cut-again": run_ours_cut,
}


if __name__ == "__main__":
    SIDES[sys.argv[1]](sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]))
