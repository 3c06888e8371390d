"""What only a CUDA device can show; `make gpu` runs these and the training benchmark."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from tests.command import prefalign
from tests.prefalign.toys import write_toy_pairs

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


def losses(
    folder: Path, model: dict[str, Any], method: str, hardware: dict[str, str]
) -> list[float]:
    """Trains five steps and returns their losses."""
    output = folder / "-".join([method, *hardware.values()])
    settings = {
        "data": {"train": str(write_toy_pairs(folder / "train.parquet", 40))},
        "model": model,
        "method": {"name": method},
        "optim": {"learning_rate": 1e-3, "warmup_ratio": 0.0},
        "batch": {"global_batch_size": 8, "micro_batch_size": 4},
        "hardware": hardware,
        "output": {"dir": str(output)},
    }
    run_file = folder / "run.yaml"
    run_file.write_text(yaml.safe_dump(settings))
    ran = prefalign("train", run_file, env={"PREFALIGN_CACHE": str(folder / "cache")})
    assert ran.returncode == 0, ran.stderr
    assert json.loads((output / "run.json").read_text())["precision"] == hardware["precision"]
    lines = (output / "metrics.jsonl").read_text().splitlines()
    return [line["loss"] for line in map(json.loads, lines) if line["kind"] == "train"]


@pytest.mark.parametrize("method", ["dpo", "orpo"])
def test_a_gpu_loses_what_a_cpu_does(tmp_path: Path, tiny_model: Path, method: str) -> None:
    gpu, cpu = (
        losses(tmp_path, {"name": str(tiny_model)}, method, {"device": device, "precision": "fp32"})
        for device in ("auto", "cpu")
    )
    assert gpu == pytest.approx(cpu, abs=1e-3)


@pytest.mark.parametrize("lora", [None, {"r": 4}])
def test_bf16_starts_at_log_2_and_learns(
    tmp_path: Path, tiny_model: Path, lora: dict[str, int] | None
) -> None:
    model = {"name": str(tiny_model), "lora": lora}
    found = losses(tmp_path, model, "dpo", {"device": "auto", "precision": "bf16"})
    assert found[0] == pytest.approx(math.log(2), abs=0.02)
    assert all(map(math.isfinite, found))
    assert found[-1] < found[0]
