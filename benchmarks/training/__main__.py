"""Runs the profiles one after another and prints their tables; see the package."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")  # read when trl is imported
os.environ.setdefault("OMP_NUM_THREADS", "1" if not Path("/dev/nvidia0").exists() else "8")

import numpy as np
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from benchmarks.training.measure import MIB, Measured, first_step, free, take_turns
from benchmarks.training.profiles import PROFILES, tokens
from benchmarks.training.shapes import SHAPES
from benchmarks.training.sides import (
    BASELINE,
    EXACT,
    SIDES,
    Work,
    attention_check,
    best_of_trl,
    method_of,
    reference_pass,
)
from benchmarks.training.useful import useful_flops

# glibc: large tensors leave the process when they are freed
_FREED_AT_ONCE = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}


def main() -> None:
    """Prints one table a profile, and writes all figures to `--json`."""
    args = _arguments()
    began = time.monotonic()
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    on_gpu = torch.cuda.is_available()
    if args.peak_of:
        print(_peak(args))
        return
    print(_heading(args.shape))
    results = []
    for number, profile in enumerate(args.profile, start=1):
        share = began + args.budget * number / len(args.profile)
        with tempfile.TemporaryDirectory() as folder:
            work = _work(args, profile, Path(folder), on_gpu=on_gpu)
            if number == 1:
                _tell(attention_check(work))
            seconds, work = _with_reference(work)
            found = take_turns(work, SIDES, args.rounds, until=share, tell=_tell)
            if not on_gpu:
                found = {
                    n: m._replace(peak=_peak_alone(args, profile, n)) for n, m in found.items()
                }
        results.append(_result(args.shape, profile, work, found, seconds))
        print(_table(results[-1]), flush=True)
        del work
        free()
    if args.json:
        args.json.write_text(json.dumps(results, indent=1) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=__doc__)
    parser.add_argument("--shape", choices=SHAPES, default="cpu")
    parser.add_argument("--profile", choices=PROFILES, nargs="+", default=list(PROFILES))
    parser.add_argument("--pairs", type=int, default=16, help="of a profile")
    parser.add_argument("--batch", type=int, default=8, help="pairs of a global batch")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--budget", type=float, default=3600, help="seconds; then fewer rounds")
    parser.add_argument("--json", type=Path, help="write all figures here")
    parser.add_argument("--peak-of", choices=SIDES, help=argparse.SUPPRESS)
    return parser.parse_args()


def _peak_alone(args: argparse.Namespace, profile: str, side: str) -> int:
    """Returns the peak of a side in a process of its own: a CPU's allocator forgets nothing."""
    sizes = ["--shape", args.shape, "--pairs", str(args.batch), "--batch", str(args.batch)]
    command = [sys.executable, "-m", "benchmarks.training", *sizes]
    ran = subprocess.run(
        [*command, "--profile", profile, "--peak-of", side],
        capture_output=True, text=True, check=True, env=os.environ | _FREED_AT_ONCE,
    )  # fmt: skip
    return int(ran.stdout.split()[-1])


def _peak(args: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory() as folder:
        work = _work(args, args.profile[0], Path(folder), on_gpu=False)
        work = replace(work, reference=np.zeros((work.table.num_rows, 2)))
        return first_step(SIDES[args.peak_of](work)).peak


def _tell(line: str) -> None:
    sys.stderr.write(line + "\n")


def _heading(shape: str) -> str:
    names = ("trl", "transformers", "torch")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU, one thread, fp32"
    return f"{shape} on {device}; {versions}\n"


def _work(args: argparse.Namespace, profile: str, folder: Path, *, on_gpu: bool) -> Work:
    shape = SHAPES[args.shape]
    torch.manual_seed(0)
    kind = torch.bfloat16 if on_gpu and shape.lora else torch.float32
    with torch.device("cuda" if on_gpu else "cpu"):
        model = AutoModelForCausalLM.from_config(shape.config, dtype=kind)
    return Work(
        shape=shape,
        model=model,
        table=tokens(profile, args.pairs, shape.config.vocab_size),
        reference=None,
        tokenizer=_tokenizer(),
        batch=args.batch,
        precision="bf16" if on_gpu else "fp32",
        folder=folder,
    )


def _tokenizer() -> PreTrainedTokenizerFast:
    """Returns what TRL's trainers ask for; it is never used."""
    words = {"<pad>": 0, "<s>": 1, "</s>": 2}
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(WordLevel(words, "<pad>")),
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
    )


def _with_reference(work: Work) -> tuple[float, Work]:
    """Returns the seconds of our reference pass, and the work with its result."""
    clock = time.perf_counter if torch.cuda.is_available() else time.process_time
    started = clock()
    reference = reference_pass(work)
    return clock() - started, replace(work, reference=reference)


def _result(
    shape: str, profile: str, work: Work, found: dict[str, Measured], reference_s: float
) -> dict[str, Any]:
    """Returns the figures of a profile; differences are to TRL's exact side of the method."""
    seconds = {name: measured.seconds for name, measured in found.items()}
    flops = useful_flops(work)
    rows = []
    for name, measured in found.items():
        method = method_of(name)
        truth = found.get(EXACT[method])
        rows.append(
            {
                "side": name,
                "seconds": measured.seconds,
                "pairs_per_second": work.table.num_rows / measured.seconds,
                "over_default": _ratio(seconds.get(BASELINE[method]), measured.seconds),
                "over_best": best_of_trl(seconds, method) / measured.seconds,
                "useful_tflops": flops / measured.seconds / 1e12,
                "peak_mib": measured.peak / MIB,
                "loss_difference": None if truth is None else abs(measured.loss - truth.loss),
                "gradient_difference": _apart(measured, truth),
            }
        )
    return {
        "shape": shape,
        "profile": profile,
        "pairs": work.table.num_rows,
        "reference_seconds": reference_s,
        "sides": rows,
    }


def _ratio(other: float | None, seconds: float) -> float | None:
    return None if other is None else other / seconds


def _apart(measured: Measured, truth: Measured | None) -> float | None:
    if truth is None or measured.gradient.shape != truth.gradient.shape:
        return None
    return float((measured.gradient - truth.gradient).norm() / truth.gradient.norm())


def _table(result: dict[str, Any]) -> str:
    once = result["reference_seconds"]
    lines = [
        f"{result['profile']}: {result['pairs']} pairs; reference pass {once:.1f} s, in no row",
        "",
        "| side | s | pairs/s | x TRL as it comes | x best TRL | useful TFLOP/s | peak MiB | loss off | gradient off |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    return "\n".join([*lines, *map(_row, result["sides"])]) + "\n"


def _row(row: dict[str, Any]) -> str:
    return (
        f"| {row['side']} | {row['seconds']:.2f} | {row['pairs_per_second']:.2f}"
        f" | {_number(row['over_default'], '.2f')} | {row['over_best']:.2f}"
        f" | {row['useful_tflops']:.3g} | {row['peak_mib']:,.0f}"
        f" | {_number(row['loss_difference'], '.0e')} | {_number(row['gradient_difference'], '.0e')} |"
    )


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


if __name__ == "__main__":
    main()
