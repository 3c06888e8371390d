"""FSDP2 among two processes trains what one process does; what it cannot do is refused."""

import json
import os
import shutil
import subprocess
import sys
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
from prefalign.sharding import refuse_untested
from prefdata.errors import PrefError
from tests.prefalign.toys import write_toy_pairs

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
FSDP2 = [
    "--use_fsdp", "--fsdp_version", "2", "--fsdp_auto_wrap_policy", "TRANSFORMER_BASED_WRAP",
    "--fsdp_cpu_ram_efficient_loading", "true",
]  # fmt: skip
TOLERANCE = {"fp32": (1e-5, 1e-5), "bf16": (2e-3, 1e-2)}
"""Of losses, in nats, and of each weight, relative to its norm. In fp32 only sums over pairs and processes
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


def start(files: list[Path], launcher: list[str], **variables: str) -> Any:
    """Runs two processes of `tests.prefalign.sharded`."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ACCELERATE_", "FSDP_", "PREFALIGN_"))
    } | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-m", "accelerate.commands.launch", *launcher, "--num_machines", "1",
         "--num_processes", "2", "--mixed_precision", "no", "--dynamo_backend", "no",
         "--main_process_port", "0", "-m", "tests.prefalign.sharded", *map(str, files)],
        env=environment | {"ACCELERATE_USE_CPU": "true"} | variables,
        capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Runs:
    """Every run, finished both ways; each way computed its own reference."""
    made = Runs(tmp_path_factory.mktemp("sharded"), tiny_model)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFALIGN_CACHE", str(made.directory / "cache-one"))
        for name in RUNS:
            train(load_run(made.write(name, "one")), Silence())
    cache = {"PREFALIGN_CACHE": str(made.directory / "cache-two")}
    done = start([made.write(name, "two") for name in RUNS], FSDP2, **cache)
    assert done.returncode == 0, done.stderr[-4000:]
    return made


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
def test_two_processes_train_what_one_does(runs: Runs, name: str) -> None:
    precision = read_run(runs.path(name, "two")).precision
    of_losses, of_weights = TOLERANCE[precision]
    for kind in ("train", "eval"):
        assert runs.losses(name, "two", kind) == pytest.approx(
            runs.losses(name, "one", kind), abs=of_losses
        )
    one, two = (runs.weights(name, processes) for processes in ("one", "two"))
    assert one.keys() == two.keys()
    for key, weight in one.items():
        assert (two[key] - weight).norm() <= of_weights * weight.norm(), key
    alone, shared = (read_run(runs.path(name, processes)) for processes in ("one", "two"))
    assert alone.model == shared.model
    assert alone.kept_step == shared.kept_step
    assert name != "best" or alone.kept_step != alone.cost.steps  # so it went back to shards


@pytest.mark.slow
def test_a_run_goes_on_from_shards_and_one_too_thin_to_divide_is_refused(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = runs.weights("dpo", "two")
    directory = runs.path("dpo", "two")
    for name in ("checkpoint-3", "model"):  # as if it had died in step 3
        shutil.rmtree(directory / name)
    (directory / "run.json").unlink()
    monkeypatch.setitem(RUNS, "thin", {"model": {"lora": LORA | {"r": 1}}})
    files = [runs.write(name, "two") for name in ("dpo", "thin")]
    done = start(files, FSDP2, PREFALIGN_CACHE=str(runs.directory / "cache-two"))
    assert "lora_A.default.weight (1, 32) has no row for some of the processes" in done.stderr
    assert len(runs.losses("dpo", "two")) == 3
    for key, weight in runs.weights("dpo", "two").items():
        assert torch.equal(weight, whole[key]), key


@pytest.mark.parametrize(
    ("variables", "engine", "reason"),
    [
        ({"ACCELERATE_USE_FSDP": "true"}, "prefalign", "FSDP 1 was asked for; FSDP2 replaces it"),
        ({"ACCELERATE_USE_FSDP": "1", "FSDP_VERSION": "2"}, "trl", "engine trl has never been tested"),
        ({"ACCELERATE_USE_DEEPSPEED": "true"}, "prefalign", "training with DeepSpeed has never"),
        ({"ACCELERATE_USE_PARALLELISM_CONFIG": "true"}, "prefalign", "context parallelism has never"),
    ],
)  # fmt: skip
def test_other_ways_to_divide_work_are_refused(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], engine: str, reason: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(PrefError, match=reason) as caught:
        refuse_untested(engine)
    assert caught.value.hint


def test_replicas_are_not_taken_for_shards(
    runs_elsewhere: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    monkeypatch.setenv("FSDP_VERSION", "2")
    with pytest.raises(PrefError, match="accelerate replicates models on 1 x cpu"):
        train(load_run(runs_elsewhere.write("dpo", "one")), Silence())


@pytest.fixture
def runs_elsewhere(tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> Runs:
    """Nothing of it has run."""
    monkeypatch.setenv("PREFALIGN_CACHE", str(tmp_path / "cache"))
    return Runs(tmp_path, tiny_model)
