"""Run files that one process trains, and two of `pretended` that divide the model: with the same results."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForCausalLM

from prefalign.config import load_run
from prefalign.progress import Silence
from prefalign.records.run import read_run
from prefalign.run import train
from tests.prefalign.toys import write_toy_pairs
from tests.prefalign.workplace import ACCELERATE, ENVIRONMENT

LORA = {"r": 4, "target_modules": ["q_proj", "v_proj", "up_proj"]}
RUNS: dict[str, dict[str, Any]] = {
    "dpo": {"output": {"save_every_steps": 2}},
    "orpo": {"method": {"name": "orpo"}, "model": {"name": "untied"}},
    "orpo, adapters": {"method": {"name": "orpo"}, "model": {"lora": LORA}},
    "aot, adapters": {
        "method": {"name": "dpo", "loss": ["aot", "sft"], "ld_alpha": 0.5},
        "model": {"name": "untied", "lora": LORA},
        "hardware": {"gradient_checkpointing": True},
    },
    "dora": {"model": {"lora": LORA | {"dora": True}}},
    "best": {
        "eval": {"every_steps": 1, "keep": "nll_chosen"},
        "optim": {"learning_rate": 1e-2, "epochs": 2},
    },
    "bf16": {"hardware": {"precision": "bf16"}},
    "bf16, adapters": {"hardware": {"precision": "bf16"}, "model": {"lora": LORA}},
}
TOLERANCE = {"fp32": (1e-5, 1e-5), "bf16": (2e-3, 1e-2)}
"""Of losses, in nats, and of each weight, relative to its norm, at a learning rate of 1e-3: Adam moves a
weight by about as much where its gradient is nothing but rounding. In fp32 only sums over pairs and processes
differ in order; in bf16 FSDP rounds hidden states between layers, too (8 bits, 4e-3), and Adam's three
steps of 1e-3 move weights by a tenth of their norm."""


class Runs:
    """Run files in a directory, trained by one process in `one` and by two in `two`."""

    def __init__(self, directory: Path, tiny_model: Path) -> None:
        self.directory = directory
        write_toy_pairs(directory / "train.parquet", 19)
        write_toy_pairs(directory / "test.parquet", 1, first=100)  # one process has nothing to do
        shutil.copytree(tiny_model, directory / "tied")
        shutil.copytree(tiny_model, directory / "untied")
        config = AutoConfig.from_pretrained(tiny_model, tie_word_embeddings=False)
        torch.manual_seed(1)
        AutoModelForCausalLM.from_config(config).save_pretrained(directory / "untied")

    def write(self, name: str, processes: str) -> Path:
        """Writes the run file of three steps: two of 8 pairs and one of 3."""
        settings: dict[str, Any] = {
            "data": {key: str(self.directory / f"{key}.parquet") for key in ("train", "test")},
            "model": {"name": "tied"},
            "method": {"name": "dpo"},
            "optim": {"learning_rate": 1e-3, "warmup_ratio": 0.0},
            "batch": {"global_batch_size": 8, "micro_batch_size": 2},
            "hardware": {"device": "cpu", "precision": "fp32"},
            "eval": {},
            "output": {"dir": str(self.path(name, processes))},
        }
        for group, values in RUNS[name].items():
            settings[group] = settings[group] | values
        settings["model"]["name"] = str(self.directory / settings["model"]["name"])
        file = self.directory / f"{processes} {name}.yaml"
        file.write_text(yaml.safe_dump(settings))
        return file

    def path(self, name: str, processes: str) -> Path:
        return self.directory / processes / name

    def losses(self, name: str, processes: str, kind: str = "train") -> list[float]:
        lines = (self.path(name, processes) / "metrics.jsonl").read_text().splitlines()
        key = "loss" if kind == "train" else "margin_reference"
        return [line[key] for line in map(json.loads, lines) if line["kind"] == kind]

    def weights(self, name: str, processes: str) -> dict[str, torch.Tensor]:
        return load_file(next((self.path(name, processes) / "model").glob("*.safetensors")))


def start(files: list[Path], launcher: list[str], *, processes: int = 2, **variables: str) -> Any:
    """Runs processes of `tests.prefalign.sharding.pretended`."""
    return subprocess.run(
        [*ACCELERATE, *launcher, "--num_machines", "1",
         "--num_processes", str(processes), "--mixed_precision", "no", "--dynamo_backend", "no",
         "--main_process_port", "0", "-m", "tests.prefalign.sharding.pretended", *map(str, files)],
        env=ENVIRONMENT | variables,
        capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip


def train_both_ways(made: Runs, launcher: list[str], **variables: str) -> Runs:
    """Trains every run, finished both ways; each way computes its own reference."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFALIGN_CACHE", str(made.directory / "cache-one"))
        for name in RUNS:
            train(load_run(made.write(name, "one")), Silence())
    cache = {"PREFALIGN_CACHE": str(made.directory / "cache-two")}
    done = start([made.write(name, "two") for name in RUNS], launcher, **cache, **variables)
    assert done.returncode == 0, done.stderr[-4000:]
    return made


def assert_trained_alike(runs: Runs, name: str, *, rounded: bool = False) -> None:
    """Compares losses, evaluations, weights and records of the two ways of a run.

    Args:
        runs: finished both ways.
        name: of the run.
        rounded: two processes round all weights of a run in bf16, which their hash and margins show.
    """
    alone, shared = (read_run(runs.path(name, processes)) for processes in ("one", "two"))
    rounded = rounded and shared.precision == "bf16"
    of_losses, of_weights = TOLERANCE[shared.precision]
    of_weights *= shared.config["optim"]["learning_rate"] / 1e-3
    for kind in ("train", "eval"):
        assert runs.losses(name, "two", kind) == pytest.approx(
            runs.losses(name, "one", kind),
            abs=10 * of_losses if rounded and kind == "eval" else of_losses,
        )
    one, two = (runs.weights(name, processes) for processes in ("one", "two"))
    assert one.keys() == two.keys()
    for key, weight in one.items():
        assert (two[key] - weight).norm() <= of_weights * weight.norm(), key
    differs = {"digest"} if rounded else set()
    assert alone.model.model_dump(exclude=differs) == shared.model.model_dump(exclude=differs)
    assert alone.kept_step == shared.kept_step
    assert name != "best" or alone.kept_step != alone.cost.steps  # so it went back to shards


def lose_the_end(runs: Runs, name: str) -> None:
    """Leaves of two processes' run of three steps what one has that died in the third."""
    for part in ("checkpoint-3", "model"):
        shutil.rmtree(runs.path(name, "two") / part)
    (runs.path(name, "two") / "run.json").unlink()
