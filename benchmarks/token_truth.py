"""Our token ids against TRL's, and counts of cut pairs against slow ones, over whole real files.

    python -m benchmarks.token_truth --data DIR                     # every template
    python -m benchmarks.token_truth --data DIR --templates smollm2 gemma

Every file of DIR that holds pairs is converted; a template gets all of them. Ids are compared with those of
`DPOTrainer._prepare_dataset`, counts of HH, the English demo of LLaMA-Factory and OpenAI's layout with those
of tests/prefdata/tokens/test_counts.py, which uses none of our code. A difference ends it with exit code 1.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import polars as pl

from benchmarks.report import machine, table
from prefdata.conversion import convert
from prefdata.errors import PrefError
from prefdata.tokens import measure_pairs, render_frame
from tests.prefdata.tokens.families import NAMES, tokenizer_of
from tests.prefdata.tokens.test_counts import FILES, compare

PACKAGES = ("transformers", "tokenizers", "fastokens", "trl", "datasets")
IDS = ("prompt_ids", "chosen_ids", "rejected_ids")
LENGTHS = (128, 256, 512)
COUNTED = {
    "hh-rlhf.jsonl": "hh-rlhf/*.jsonl.gz",
    "llama-factory-en.json": "llama-factory/dpo_en_demo.json",
    "openai.jsonl": "openai-dpo/*.jsonl",
}


class Truth(NamedTuple):
    """What became of the pairs of all files with one template."""

    template: str
    refused: int
    equal: int
    compared: int

    @property
    def holds(self) -> bool:
        """Whether every pair that the template takes has TRL's ids."""
        return self.equal == self.compared


def real_pairs(data: Path) -> pl.DataFrame:
    """Returns the pairs of every file that has any, each once; says how many on stderr."""
    frames = []
    for path in sorted(p for p in data.glob("*/*") if p.is_file()):
        try:
            frames.append(convert([path]).pairs)
        # evaluation sets, ratings without pairs and files that are no data
        except PrefError as error:
            print(f"{path.name}: {str(error).partition(': ')[2] or error}", file=sys.stderr)
    print(f"{len(frames)} files with pairs", file=sys.stderr)
    return pl.concat(frames).unique("id", maintain_order=True)


def ids_with(template: str, pairs: pl.DataFrame) -> Truth:
    """Renders all pairs that a template takes with TRL and with ours."""
    tokenizer = tokenizer_of(template)
    refusal = measure_pairs(tokenizer, pairs, max(LENGTHS))["refusal"]
    taken = pairs.filter(refusal.is_null())
    ours = render_frame(tokenizer, taken)
    theirs = _trl(tokenizer, taken)
    equal = sum(
        all(mine == other for mine, other in zip(row, others, strict=True))
        for row, others in zip(_rows(ours), _rows(theirs), strict=True)
    )
    return Truth(template, pairs.height - taken.height, equal, taken.height)


def _trl(tokenizer: Any, pairs: pl.DataFrame) -> Any:
    from datasets import Dataset
    from trl import DPOConfig, DPOTrainer

    args = DPOConfig(output_dir="unused", max_length=None, use_cpu=True, bf16=False, report_to=[])
    rows = Dataset.from_list([_row(pair) for pair in pairs.iter_rows(named=True)])
    trainer = SimpleNamespace(_tokenizer=tokenizer)  # all that the method wants of it
    return DPOTrainer._prepare_dataset(trainer, rows, tokenizer, args, "train")


def _row(pair: dict[str, Any]) -> dict[str, Any]:
    """Returns a pair as TRL reads it; no message of these files has more than a role and a content."""
    return {
        side: [{"role": message["role"], "content": message["content"]} for message in pair[side]]
        for side in ("prompt", "chosen", "rejected")
    }


def _rows(ids: Any) -> Iterator[tuple[list[int], ...]]:
    """Yields the three lists of each row of an Arrow table or a dataset."""
    for start in range(0, len(ids), 1024):
        part = ids[start : start + 1024]
        columns = part.to_pydict() if hasattr(part, "to_pydict") else part
        yield from zip(*(columns[name] for name in IDS), strict=True)


def counts(data: Path) -> Iterator[tuple[str, ...]]:
    """Yields a row for each counted file and length; raises AssertionError where two counts differ."""
    tokenizer = tokenizer_of("smollm2")
    for layout, pattern in COUNTED.items():
        path = next(data.glob(pattern))
        packed = path.suffix == ".gz"
        text = gzip.decompress(path.read_bytes()).decode() if packed else path.read_text("utf-8")
        rows = list(FILES[layout](text))
        for length, found in zip(LENGTHS, compare(path, iter(rows), tokenizer), strict=True):
            yield (layout, f"{len(rows):,}", str(length), *map(str, found.values()))


def main() -> None:
    """Prints both tables."""
    args = _arguments()
    print(f"{machine(PACKAGES)}\n", flush=True)
    pairs = real_pairs(args.data)
    found = []
    for template in args.templates:
        started = time.perf_counter()
        found.append(ids_with(template, pairs))
        took = {"s": round(time.perf_counter() - started, 1)}
        print(json.dumps({**found[-1]._asdict(), **took}), file=sys.stderr, flush=True)
    print(
        table(("template", "pairs", "refused", "ids as TRL's"), [_line(truth) for truth in found]),
        flush=True,
    )
    if not all(truth.holds for truth in found):
        sys.exit(1)
    if "smollm2" in args.templates:
        head = ("file", "pairs", "max_length", "emptied", "truncated", "identical")
        print(f"\n{table(head, list(counts(args.data)))}")


def _line(truth: Truth) -> tuple[str, ...]:
    pairs = truth.refused + truth.compared
    ids = f"{truth.equal:,} of {truth.compared:,}"
    return (truth.template, f"{pairs:,}", f"{truth.refused:,}", ids)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, metavar="DIR")
    parser.add_argument("--templates", nargs="+", choices=NAMES, default=NAMES)
    return parser.parse_args()


if __name__ == "__main__":
    main()
