"""What `prefalign plan` says of a run against what the run then records: steps, tokens, peak memory.

    python -m benchmarks.plan                            # SmolLM2-135M on the CPU, 16 short runs
    python -m benchmarks.plan --precision fp32 --output DIR

DPO and ORPO, full fine-tuning and LoRA, two max_lengths, with and without gradient checkpointing, on the
demo's pairs. Each plan and each run is a process of its own, the run as `accelerate launch --cpu` starts it;
the peak is its resident set. Runs that have ended stay in DIR: the same command plans again and trains
no more.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from benchmarks.report import machine, table
from prefdata import convert, write_pairs
from prefdata.curate.drop import curate

VOTES = Path(__file__).parents[1] / "prefalign/demo/votes.json.gz"
PACKAGES = ("torch", "transformers", "peft", "accelerate")
PAIRS = 40
STEPS = 2  # the second has AdamW's moments
LAUNCHED = {"ACCELERATE_DYNAMO_BACKEND": "no", "ACCELERATE_USE_CPU": "true"}
HEAD = ("run", "steps", "recorded", "tokens", "recorded", "peak GB", "recorded", "off")


class Case(NamedTuple):
    """One run."""

    method: str
    lora: bool
    max_length: int
    checkpointing: bool

    @property
    def name(self) -> str:
        """What its row and its directory are called."""
        tuning = "lora" if self.lora else "full"
        again = "-checkpointing" if self.checkpointing else ""
        return f"{self.method}-{tuning}-{self.max_length}{again}"

    def run_file(self, folder: Path, args: argparse.Namespace) -> dict[str, Any]:
        """Returns a few steps of two micro-batches or more."""
        return {
            "data": {
                "train": str(folder / "pairs.parquet"),
                "max_length": self.max_length,
                "truncation": "drop",
            },
            "model": {"name": args.model} | ({"lora": {"r": 16}} if self.lora else {}),
            "method": {"name": self.method},
            "optim": {"max_steps": STEPS},
            "batch": {"global_batch_size": 8, "micro_batch_size": 4},
            "hardware": {
                "device": "cpu",
                "precision": args.precision,
                "gradient_checkpointing": self.checkpointing,
            },
            "output": {"dir": str(folder / self.name)},
        }


def cases() -> Iterator[Case]:
    """Yields every combination."""
    for checkpointing, max_length, lora, method in product(
        (False, True), (128, 512), (True, False), ("dpo", "orpo")
    ):
        yield Case(method, lora, max_length, checkpointing)


def prefalign(folder: Path, *arguments: str, **more: str) -> str:
    """Runs our program and returns what it prints; a failure ends the benchmark."""
    command = [sys.executable, "-m", "prefalign", *arguments]
    environment = os.environ | {"PREFALIGN_CACHE": str(folder / "cache")} | more
    ran = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if ran.returncode:
        sys.exit(f"{' '.join(command)}: failed\n{ran.stderr[-2000:]}")
    return ran.stdout


def row(case: Case, folder: Path, args: argparse.Namespace) -> tuple[str, ...]:
    """Plans and trains."""
    path = folder / f"{case.name}.yaml"
    path.write_text(yaml.safe_dump(case.run_file(folder, args)))
    plan = json.loads(prefalign(folder, "plan", str(path), "--format", "json"))
    prefalign(folder, "train", str(path), "--resume", **LAUNCHED)
    cost = json.loads((folder / case.name / "run.json").read_text())["cost"]
    work, peak, recorded = plan["work"], plan["memory"]["peak"], cost["peak_memory_bytes"]
    return (
        case.name,
        f"{work['steps']:,}",
        f"{cost['steps']:,}",
        f"{work['tokens']:,}",
        f"{cost['tokens_seen']:,}",
        f"{peak / 1e9:.2f}",
        f"{recorded / 1e9:.2f}",
        f"{peak / recorded - 1:+.0%}",
    )


def main() -> None:
    """Prints the table."""
    args = _arguments()
    print(f"{machine(PACKAGES)}\n", flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = args.output or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        write_pairs(curate(convert([VOTES]).pairs).kept.head(PAIRS), folder / "pairs.parquet")
        print(table(HEAD, [row(case, folder, args) for case in cases()]))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", help="default: the demo's")
    parser.add_argument("--precision", default="auto", choices=["auto", "fp32", "bf16"])
    parser.add_argument("--output", type=Path, metavar="DIR", help="keep runs and caches there")
    args = parser.parse_args()
    if args.model is None:
        from prefalign.demo.model import find_model

        args.model = find_model(print)
    return args


if __name__ == "__main__":
    main()
