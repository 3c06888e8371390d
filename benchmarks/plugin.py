"""TRL's DPOTrainer with and without `accelerate_preferences`, on the same real pairs.

    python -m benchmarks.plugin --data harmless-base.jsonl.gz --pairs 32 --layers 4

The model has the shape of SmolLM2-135M with fewer layers and random weights. Every side is a process of
its own, and the sides take turns. CPU seconds are those of `train()` and of the call; loading, tokenising
and a reference pass that TRL makes when the trainer is built are not in them.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

TUNED = {"precompute_ref_log_probs": True, "gradient_checkpointing": False}
SETTINGS: dict[str, dict[str, Any]] = {"as it comes": {}, "tuned": TUNED}


class Cost(NamedTuple):
    """What one side took."""

    cpu_s: float
    losses: list[float]


def main() -> None:
    """Prints CPU seconds of both sides, their ratio and the largest difference of a step's loss."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="anything that prefdata reads")
    parser.add_argument("--pairs", type=int, default=32)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--max-length", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--side", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.side:
        print(json.dumps(_train(args, *args.side)))
        return
    print("| TRL's settings | TRL, CPU s | with the call, CPU s | ratio | loss differs by |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name in SETTINGS:
        rounds = [(_process(name, "plain"), _process(name, "called")) for _ in range(args.rounds)]
        plain, called = (
            statistics.median(side.cpu_s for side in both) for both in zip(*rounds, strict=True)
        )
        off = max(
            abs(a - b) / abs(a)
            for one, two in rounds
            for a, b in zip(one.losses, two.losses, strict=True)
        )
        print(f"| {name} | {plain:.1f} | {called:.1f} | {plain / called:.2f} | {off:.1e} |")


def _process(settings: str, side: str) -> Cost:
    command = [sys.executable, "-m", "benchmarks.plugin", *sys.argv[1:], "--side", settings, side]
    quiet = os.environ | {"TQDM_DISABLE": "1"}
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env=quiet)
    if ran.returncode:
        sys.exit(ran.stderr[-2000:])
    return Cost(*json.loads(ran.stdout.splitlines()[-1]))


def _train(args: argparse.Namespace, settings: str, side: str) -> Cost:
    from prefalign import accelerate_preferences

    with tempfile.TemporaryDirectory() as name:
        trainer = _trainer(args, Path(name), SETTINGS[settings])
        started = time.process_time()
        if side == "called":
            accelerate_preferences(trainer)
        trainer.train()
        cpu_s = time.process_time() - started
    return Cost(cpu_s, [line["loss"] for line in trainer.state.log_history if "loss" in line])


def _trainer(args: argparse.Namespace, folder: Path, settings: dict[str, Any]) -> Any:
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, set_seed
    from trl import DPOConfig, DPOTrainer

    from prefalign.demo.model import find_model
    from prefdata.conversion import convert
    from prefdata.exporting.hf import to_dataset

    shape = find_model(lambda _: None)
    set_seed(0)
    config = AutoConfig.from_pretrained(shape, num_hidden_layers=args.layers)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    AutoTokenizer.from_pretrained(shape).save_pretrained(folder)
    return DPOTrainer(
        model=str(folder),
        args=DPOConfig(
            output_dir=str(folder / "out"),
            num_train_epochs=1,
            per_device_train_batch_size=args.batch_size,
            max_length=args.max_length,
            logging_steps=1,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            bf16=False,
            **settings,
        ),
        train_dataset=to_dataset(convert([Path(args.data)]).pairs.head(args.pairs)),
    )


if __name__ == "__main__":
    main()
