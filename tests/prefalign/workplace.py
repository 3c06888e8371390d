"""A directory with a run file, in which tests launch real training runs."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from tests.prefalign.toys import write_toy_pairs

ENVIRONMENT = {
    **{
        k: v
        for k, v in os.environ.items()
        if not k.startswith(("ACCELERATE_", "FSDP_", "PREFALIGN_"))
    },
    "PYTHONPATH": os.pathsep.join(sys.path),
    "OMP_NUM_THREADS": "1",
}
TRAIN = [sys.executable, "-m", "prefalign", "train"]
ACCELERATE = [sys.executable, "-m", "accelerate.commands.launch"]


class Workplace:
    """A directory with a run file, and a way to run commands in it."""

    def __init__(self, directory: Path, settings: dict[str, Any]) -> None:
        self.directory = directory
        self.run_file = directory / "run.yaml"
        self.run_file.write_text(yaml.safe_dump(settings))
        self.environment = ENVIRONMENT | {"PREFALIGN_CACHE": str(directory / "cache")}

    def run(self, *command: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            command,
            cwd=self.directory,
            env=self.environment | variables,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    def losses(self, run: str) -> list[float]:
        lines = (self.directory / run / "metrics.jsonl").read_text().splitlines()
        return [line["loss"] for line in map(json.loads, lines) if line["kind"] == "train"]


def write_workplace(directory: Path, model: Path) -> Workplace:
    """Five steps of DPO: four global batches of 8 pairs and one of 3."""
    settings = {
        "data": {
            "train": str(write_toy_pairs(directory / "train.parquet", 35)),
            "test": str(write_toy_pairs(directory / "test.parquet", 5, first=100)),
        },
        "model": {"name": str(model)},
        "method": {"name": "dpo"},
        "optim": {"learning_rate": 1e-3, "warmup_ratio": 0.0},
        "batch": {"global_batch_size": 8, "micro_batch_size": 2},
        "hardware": {"device": "cpu", "precision": "fp32"},
        "output": {"dir": "one"},
    }
    return Workplace(directory, settings)
