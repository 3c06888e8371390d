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

from benchmarks.training.floor import floor_seconds
from benchmarks.training.measure import MIB, Measured, first_step, free, profile_of, take_turns
from benchmarks.training.our_sides import attention_check, reference_pass
from benchmarks.training.profiles import PROFILES, tokens, whole
from benchmarks.training.shapes import SHAPES
from benchmarks.training.sides import BASELINE, EXACT, SIDES, TUNED, fastest_of_trl, method_of
from benchmarks.training.useful import useful_flops
from benchmarks.training.work import Work
from prefalign.plan.hardware import GPUS

# glibc: large tensors leave the process when they are freed
_FREED_AT_ONCE = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}


def main() -> None:
    """Prints one table a profile, and writes all figures to `--json`."""
    args = _arguments()
    began = time.monotonic()
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    on_gpu = torch.cuda.is_available()
    if args.peaks:
        print(json.dumps(_peaks(args)))
        return
    print(_heading(args.shape))
    results = []
    for number, profile in enumerate(args.profile, start=1):
        share = began + args.budget * number / len(args.profile)
        with tempfile.TemporaryDirectory() as folder:
            work = _work(args, profile, Path(folder), on_gpu=on_gpu)
            if number == 1:
                _tell(attention_check(work))
            work = replace(work, reference=reference_pass(work))
            sides = {name: maker for name, maker in SIDES.items() if name in args.side}
            found = take_turns(
                work, sides, args.rounds, until=share, exact=EXACT.values(), tell=_tell
            )
            floor = None
            if not on_gpu:
                floor = floor_seconds(work)
                peaks = _peaks_alone(args, profile)
                found = {name: m._replace(peak=peaks.get(name)) for name, m in found.items()}
            if args.trace and number == 1:
                print(profile_of(SIDES["prefalign DPO"](work), args.trace))
        results.append(_result(args.shape, profile, work, found, floor))
        print(_table(results[-1]), flush=True)
        del work
        free()
    if args.json:
        args.json.write_text(json.dumps(results, indent=1) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=__doc__)
    parser.add_argument("--shape", choices=SHAPES, default="cpu")
    parser.add_argument("--profile", choices=PROFILES, nargs="+", default=list(PROFILES))
    parser.add_argument("--side", choices=SIDES, nargs="+", default=list(SIDES))
    half = "half as many where texts are long"
    parser.add_argument("--pairs", type=int, default=8, help=f"of a profile; {half}")
    parser.add_argument("--batch", type=int, default=8, help=f"pairs of a global batch; {half}")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--budget", type=float, default=3600, help="seconds; then fewer rounds")
    parser.add_argument("--json", type=Path, help="write all figures here")
    parser.add_argument("--trace", type=Path, help="write a profile of one of our steps here")
    parser.add_argument("--peaks", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def _peaks_alone(args: argparse.Namespace, profile: str) -> dict[str, int | None]:
    """Returns the peaks in bytes, from a process whose freed memory leaves it: a CPU's usually stays.

    Of a process that dies for want of memory there are none.
    """
    sizes = ["--shape", args.shape, "--pairs", str(args.batch), "--batch", str(args.batch)]
    command = [sys.executable, "-m", "benchmarks.training", *sizes, "--profile", profile, "--peaks"]
    ran = subprocess.run(
        [*command, "--side", *args.side],
        capture_output=True, text=True, check=False, env=os.environ | _FREED_AT_ONCE,
    )  # fmt: skip
    if ran.returncode:
        _tell(f"no peaks: {ran.returncode}\n{ran.stderr[-500:]}")
        return {}
    peaks: dict[str, int | None] = json.loads(ran.stdout.splitlines()[-1])
    return peaks


def _peaks(args: argparse.Namespace) -> dict[str, int | None]:
    """Returns the peaks of those sides that differ by more than how pairs are grouped."""
    with tempfile.TemporaryDirectory() as folder:
        work = _work(args, args.profile[0], Path(folder), on_gpu=False)
        work = replace(work, reference=np.zeros((work.table.num_rows, 2)))
        return {
            name: first_step(SIDES[name](work), [])[0].peak
            for name in args.side
            if name in EXACT.values() or not any(word in name for word in ("at once", "by length"))
        }


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
        table=tokens(profile, whole(profile, args.pairs), shape.config.vocab_size),
        reference=None,
        tokenizer=_tokenizer(),
        batch=whole(profile, args.batch),
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


def _result(
    shape: str, profile: str, work: Work, found: dict[str, Measured], floor: float | None
) -> dict[str, Any]:
    """Returns the figures of a profile; differences are to TRL's exact side of the method."""
    cached = {name: measured.seconds for name, measured in found.items()}
    once = {name: measured.seconds + measured.reference for name, measured in found.items()}
    flops, peak_flops = useful_flops(work), _peak_flops()
    rows = []
    for name, measured in found.items():
        method = method_of(name)
        truth = found.get(EXACT[method])
        useful = flops / measured.seconds
        rows.append(
            {
                "side": name,
                "seconds": measured.seconds,
                "reference_seconds": measured.reference,
                "pairs_per_second": work.table.num_rows / measured.seconds,
                "over_default": _ratio(cached.get(BASELINE[method]), cached[name]),
                "over_tuned": _ratio(cached.get(TUNED[method]), cached[name]),
                "over_fastest": _ratio(fastest_of_trl(cached, method), cached[name]),
                "one_epoch_over_default": _ratio(once.get(BASELINE[method]), once[name]),
                "one_epoch_over_tuned": _ratio(once.get(TUNED[method]), once[name]),
                "over_floor": measured.seconds / floor if floor and method == "DPO" else None,
                "useful_tflops": useful / 1e12,
                "useful_mfu": useful / peak_flops if peak_flops else None,
                "peak_mib": None if measured.peak is None else measured.peak / MIB,
                "loss_difference": None if truth is None else abs(measured.loss - truth.loss),
                "gradient_difference": None if truth is None else measured.apart,
            }
        )
    pairs = work.table.num_rows
    return {
        "shape": shape, "profile": profile, "pairs": pairs, "floor_seconds": floor, "sides": rows
    }  # fmt: skip


def _ratio(other: float | None, seconds: float) -> float | None:
    return None if other is None else other / seconds


def _peak_flops() -> float | None:
    """Returns what this GPU's maker says it multiplies in a second, for those we know."""
    if not torch.cuda.is_available():
        return None
    name = torch.cuda.get_device_name()
    return next((gpu.flops for known, gpu in GPUS.items() if known in name), None)


_COLUMNS = {
    "s": ("seconds", ".2f"),
    "reference s": ("reference_seconds", ".2f"),
    "pairs/s": ("pairs_per_second", ".2f"),
    "x TRL as it comes": ("over_default", ".2f"),
    "x TRL tuned": ("over_tuned", ".2f"),
    "x fastest TRL": ("over_fastest", ".2f"),
    "one epoch: x TRL as it comes": ("one_epoch_over_default", ".2f"),
    "one epoch: x TRL tuned": ("one_epoch_over_tuned", ".2f"),
    "x floor": ("over_floor", ".2f"),
    "useful TFLOP/s": ("useful_tflops", ".3g"),
    "useful MFU": ("useful_mfu", ".0%"),
    "peak MiB": ("peak_mib", ",.0f"),
    "loss off": ("loss_difference", ".0e"),
    "gradient off": ("gradient_difference", ".0e"),
}


def _table(result: dict[str, Any]) -> str:
    """Returns the rows in Markdown, without columns that nobody fills."""
    columns = {
        title: column
        for title, column in _COLUMNS.items()
        if any(row[column[0]] is not None for row in result["sides"])
    }
    lines = [
        f"{result['profile']}: {result['pairs']} pairs{_of_floor(result['floor_seconds'])}",
        "",
        f"| side | {' | '.join(columns)} |",
        f"| --- |{' ---: |' * len(columns)}",
    ]
    for row in result["sides"]:
        cells = (_number(row[name], form) for name, form in columns.values())
        lines.append(f"| {row['side']} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _of_floor(seconds: float | None) -> str:
    return "" if seconds is None else f"; floor of DPO {seconds:.2f} s"


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


if __name__ == "__main__":
    main()
