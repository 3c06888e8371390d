"""Faults planted in real sets, and what `prefdata.check` finds of them.

    python -m benchmarks.faults --data DIR
    python -m benchmarks.faults --data DIR --seeds 10 --rows 50000 --faults near contamination

Every fault is planted once for each seed, in the files of DIR and, for size, in rows that
benchmarks.convert_rows makes of them (`made`). Counts are sums over seeds.

near: 5 % of the pairs once more, their prompts edited to a Jaccard similarity of 0.8 (and 0.9, and 0.7,
which is none) give or take 0.02. The truth is every pair of prompts compared exactly, by sets of
shingles written down a second time. contamination: 1 % of the prompts are those of evaluation sets,
edited in turn as the columns say; `others` are pairs that are found besides, and `before` those that
are found before anything was planted. annotators: one of several votes for the opposite of what they
believe, or always the same. position: the left side wins 10 (or 5) points more than half of the pairs.
flips: benchmarks.flips with as many seeds.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from benchmarks.convert_rows import DATA_SETS, write_rows
from benchmarks.flips import compared, read
from benchmarks.plant import (
    EDITS,
    Shingled,
    contaminated,
    document,
    jaccard,
    leaning,
    near_copies,
    vote_rows,
)
from benchmarks.report import machine, table
from prefdata import __version__, check
from prefdata.checks import Benchmark
from prefdata.conversion import ConvertOptions, convert
from prefdata.findings import Findings
from prefdata.frame import messages
from prefdata.near import THRESHOLD
from prefdata.surroundings import read_benchmark

PACKAGES = ("polars", "numpy", "rensa", "scipy", "scikit-learn", "cleanlab")
REAL = {
    "HH harmless": "hh-rlhf/*.jsonl.gz",
    "OpenAI layout": "openai-dpo/validation.jsonl",
    "DPO-En demo": "llama-factory/dpo_en_demo.json",
    "OpenAssistant": "oasst-trees/*.jsonl",
    "UKP arguments": "ukpconvarg1-csv/*.csv",
}
MADE = {"HH": "hh", "UltraFeedback layout": "scored"}
EVALUATIONS = ("llmbar/*.json", "pandalm/testset-v1.json")
PANDALM = "pandalm/testset-v1.json"
INVERT = {0: 0, 1: 2, 2: 1}
PEOPLE = 12
ACCURACIES = (0.65, 0.9)


class Options(NamedTuple):
    """What is measured on."""

    data: Path
    seeds: int
    rows: int
    folder: Path


class Hits(NamedTuple):
    """What was planted, what was found, and what of it was planted."""

    planted: int = 0
    found: int = 0
    both: int = 0

    def and_also(self, truth: set[str], found: set[str]) -> Hits:
        both = len(truth & found)
        return Hits(self.planted + len(truth), self.found + len(found), self.both + both)

    @property
    def recall(self) -> str:
        return f"{self.both / self.planted:.4f}" if self.planted else ""

    @property
    def precision(self) -> str:
        return f"{self.both / self.found:.4f}" if self.found else ""


def near(options: Options) -> str:
    """Returns recall and precision of near-duplicate-prompt."""
    targets = (0.8, 0.9, 0.7)
    rows = []
    for name, pairs in _sets(options, leave_out=["UKP arguments"]):
        hits = {target: Hits() for target in targets}
        copies = 0
        for target in targets:
            for seed in range(options.seeds):
                planted = near_copies(pairs, 0.05, target, seed)
                copies += len(planted.kinds) if target == THRESHOLD else 0
                truth, found = later_prompts(planted.pairs), _near_prompts(planted.pairs)
                hits[target] = hits[target].and_also(truth, found)
        cells = [cell for found in hits.values() for cell in _scores(found)]
        rows.append((name, f"{pairs.height:,}", f"{copies:,}", *cells))
    head = [f"{target}: {what}" for target in targets for what in ("truth", "recall", "precision")]
    return table(("", "pairs", "copies at 0.8", *head), rows)


def _scores(hits: Hits) -> tuple[str, ...]:
    return f"{hits.planted:,}", hits.recall, hits.precision


def _near_prompts(pairs: pl.DataFrame) -> set[str]:
    """Returns the ids of the prompts that the rule finds."""
    found = check(pairs, select=["near-duplicate-prompt"]).frame["id"]
    return set(pairs.filter(pl.col("id").is_in(found.implode()))["prompt_id"])


def later_prompts(pairs: pl.DataFrame, threshold: float = THRESHOLD) -> set[str]:
    """Returns the ids of prompts that similar ones connect with an earlier one, by exact comparison."""
    ordered = pairs.sort("source", "file", "row", "prompt_id")
    prompts = ordered.unique("prompt_id", keep="first", maintain_order=True)
    ids = prompts["prompt_id"].to_list()
    first = list(range(len(ids)))

    def leader(at: int) -> int:
        while first[at] != at:
            at = first[at]
        return at

    documents = [document(messages(prompt)) for prompt in prompts["prompt"].to_list()]
    for one, other in similar(documents, threshold):
        low, high = sorted((leader(one), leader(other)))
        first[high] = low
    return {ids[at] for at in range(len(ids)) if first[at] != at}


def similar(documents: Sequence[Shingled], threshold: float) -> Iterator[tuple[int, int]]:
    """Yields all pairs at least so similar, and misses none.

    Sets of n and more shingles that share the share t share one of the n - ceil(t n) + 1 rarest of each
    (prefix filtering; Chaudhuri, Ganti and Kaushik 2006), so only such are compared.
    """
    rarity = Counter(shingle for document in documents for shingle in document)
    holders: dict[int, list[int]] = defaultdict(list)
    for at, shingles in enumerate(documents):
        rarest = sorted(shingles, key=lambda shingle: (rarity[shingle], shingle))
        prefix = rarest[: len(rarest) - math.ceil(threshold * len(rarest)) + 1]
        for other in {other for shingle in prefix for other in holders[shingle]}:
            if jaccard(shingles, documents[other]) >= threshold:
                yield other, at
        for shingle in prefix:
            holders[shingle].append(at)


def contamination(options: Options) -> str:
    """Returns the recall of benchmark-overlap for each edit, and what it finds besides."""
    files = [file for pattern in EVALUATIONS for file in sorted(options.data.glob(pattern))]
    benchmarks = [read_benchmark(str(file)) for file in files]
    prompts = [prompt for benchmark in benchmarks for prompt in benchmark.prompts]
    rows = []
    for name, pairs in _sets(options, leave_out=["UKP arguments", "made UltraFeedback layout"]):
        before = _overlapping(pairs, benchmarks)
        hits, others = {kind: Hits() for kind in EDITS}, Counter[bool]()
        for seed in range(options.seeds):
            planted = contaminated(pairs, prompts, 0.01, seed)
            found = _overlapping(planted.pairs, benchmarks)
            for kind in EDITS:
                truth = {pair for pair, its in planted.kinds.items() if its == kind}
                hits[kind] = hits[kind].and_also(truth, found & truth)
            others.update(pair in before for pair in found - planted.kinds.keys())
        cells = [f"{found.both} of {found.planted}" for found in hits.values()]
        total = sum(found.both for found in hits.values()) / sum(f.planted for f in hits.values())
        also = (str(others[False]), str(len(before)))
        rows.append((name, f"{pairs.height:,}", *cells, f"{total:.4f}", *also))
    return table(("", "pairs", *EDITS, "recall", "others", "before"), rows)


def _overlapping(pairs: pl.DataFrame, benchmarks: Sequence[Benchmark]) -> set[str]:
    return set(check(pairs, select=["benchmark-overlap"], benchmarks=benchmarks).frame["id"])


def annotators(options: Options) -> str:
    """Returns how often the annotator is found who inverts, or always says the same, and who else is."""
    rows = [_of_pandalm(options, fault) for fault in ("nothing", "inverted", "always a tie")]
    pairs = read(options.data, REAL["HH harmless"])
    rows += [_of_crowd(options, pairs, fault) for fault in ("nothing", "inverted", "always left")]
    return table(("", "votes on", "planted", "found", "somebody else"), rows)


def _of_pandalm(options: Options, fault: str) -> tuple[str, ...]:
    """Half of PandaLM's rows, other ones for each seed, and one of its three annotators at fault."""
    records = json.loads((options.data / PANDALM).read_bytes())
    right = wrong = 0
    for seed in range(options.seeds):
        some = np.random.default_rng(seed).permutation(len(records))[: len(records) // 2]
        name = f"annotator{1 + seed % 3}"
        spoiled = [_spoiled(records[at], name, fault) for at in some]
        path = options.folder / "pandalm.json"
        path.write_text(json.dumps(spoiled))
        truth = set() if fault == "nothing" else {(RULES[fault], name)}
        found = _accused(path)
        right, wrong = right + len(found & truth), wrong + len(found - truth)
    return (
        f"PandaLM, 3 annotators: {fault}",
        f"{len(records) // 2}",
        *_of(options, fault, right, wrong),
    )


RULES = {
    "inverted": "inverted-annotator",
    "always a tie": "constant-annotator",
    "always left": "constant-annotator",
}


def _spoiled(record: dict[str, Any], name: str, fault: str) -> dict[str, Any]:
    says = {"nothing": record[name], "inverted": INVERT[record[name]], "always a tie": 0}[fault]
    return {**record, name: says}


def _of_crowd(options: Options, pairs: pl.DataFrame, fault: str) -> tuple[str, ...]:
    """Twelve annotators, three of whom vote on each pair of HH."""
    right = wrong = 0
    for seed in range(options.seeds):
        rng = np.random.default_rng(seed)
        accuracies, person = rng.uniform(*ACCURACIES, PEOPLE), int(rng.integers(PEOPLE))
        if fault == "inverted":
            accuracies[person] = 1 - accuracies[person]
        constant = person if fault == "always left" else None
        path = options.folder / "votes.jsonl"
        with path.open("w") as file:
            for row in vote_rows(pairs, list(accuracies), seed, constant=constant):
                file.write(json.dumps(row) + "\n")
        truth = set() if fault == "nothing" else {(RULES[fault], f"ann{person}")}
        found = _accused(path)
        right, wrong = right + len(found & truth), wrong + len(found - truth)
    return (
        f"HH, {PEOPLE} annotators: {fault}",
        f"{pairs.height:,}",
        *_of(options, fault, right, wrong),
    )


def _accused(path: Path) -> set[tuple[str, str]]:
    """Returns the rules that annotators break, and their names."""
    made = convert([path], ConvertOptions(allow_evaluation_set=True))
    findings = check(
        made.pairs, ties=made.ties, select=["inverted-annotator", "constant-annotator"]
    )
    said = findings.frame.select("name", pl.col("message").str.extract("annotator '([^']*)'"))
    return set(said.rows())


def _of(options: Options, fault: str, right: int, wrong: int) -> tuple[str, ...]:
    planted = 0 if fault == "nothing" else options.seeds
    return str(planted), str(right), str(wrong)


def position(options: Options) -> str:
    """Returns how often position-bias is found, with the right sign, by points that the left side wins."""
    points = (0, 5, 10)
    rows = []
    for name, pairs in _sets(options, leave_out=["made UltraFeedback layout"]):
        cells = []
        for more in points:
            found = [_leans(leaning(pairs, more, seed)) for seed in range(options.seeds)]
            cells.append(f"{found.count('first')} of {options.seeds}")
            assert "second" not in found, "the wrong side"
        rows.append((name, f"{pairs.height:,}", *cells))
    return table(("", "pairs", *(f"left wins {50 + more} %" for more in points)), rows)


def _leans(pairs: pl.DataFrame) -> str | None:
    """Returns the place that wins too often, as the message says it."""
    findings: Findings = check(pairs, select=["position-bias"])
    said = [re.search(r"the side shown (\w+) ", text) for text in findings.frame["message"]]
    return next((match[1] for match in said if match), None)


def flips(options: Options) -> str:
    """Returns the table of benchmarks.flips."""
    return compared(options.data, 0.1, options.seeds)


FAULTS: dict[str, Callable[[Options], str]] = {
    "near": near,
    "contamination": contamination,
    "annotators": annotators,
    "position": position,
    "flips": flips,
}


def _sets(options: Options, leave_out: Sequence[str]) -> Iterator[tuple[str, pl.DataFrame]]:
    """Yields name and pairs of the sets of DIR, and of those that are made of them."""
    for name, pattern in REAL.items():
        if name not in leave_out:
            yield name, read(options.data, pattern)
    for name, kind in MADE.items():
        if f"made {name}" not in leave_out:
            path = options.folder / f"{kind}.jsonl"
            if not path.exists():
                write_rows(islice(DATA_SETS[kind](options.data), options.rows), path)
            yield f"made {name}", convert([path]).pairs.head(options.rows)


def main() -> None:
    """Prints a table a fault."""
    args = _arguments()
    print(f"prefdata {__version__} on {machine(PACKAGES)}", flush=True)
    with tempfile.TemporaryDirectory() as name:
        options = Options(args.data, args.seeds, args.rows, Path(name))
        for fault in args.faults:
            print(f"\n### {fault}\n\n{FAULTS[fault](options)}", flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, metavar="DIR", required=True)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=10_000, help="of each set that is made")
    parser.add_argument("--faults", nargs="+", choices=FAULTS, default=list(FAULTS))
    return parser.parse_args()


if __name__ == "__main__":
    main()
