"""A plan's memory against a real run of SmolLM2-135M on the CPU; all of them: benchmarks/plan.py."""

import json
from pathlib import Path

import pytest

from prefalign.demo.model import find_model
from prefdata.errors import PrefError
from tests.command import prefalign
from tests.prefalign.toys import write_toy_pairs

LAUNCHED = {"ACCELERATE_DYNAMO_BACKEND": "no", "ACCELERATE_USE_CPU": "true"}
"""What `accelerate launch --cpu` sets: the command is the worker itself."""


@pytest.fixture
def smollm2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The demo's model; its cache is this test's own."""
    monkeypatch.setenv("PREFALIGN_CACHE", str(tmp_path / "cache"))
    try:
        return find_model(lambda _: None)
    except PrefError as error:
        pytest.skip(error.message)


@pytest.mark.slow
def test_steps_tokens_and_peak_memory_of_smollm2(tmp_path: Path, smollm2: str) -> None:
    pairs = write_toy_pairs(tmp_path / "pairs.parquet", 7)
    settings = {
        "data": {"train": str(pairs)},
        "model": {"name": smollm2, "lora": {"r": 16}},
        "method": {"name": "orpo"},
        "optim": {"epochs": 1.5},
        "batch": {"global_batch_size": 4, "micro_batch_size": 2},
        "hardware": {"device": "cpu"},
        "output": {"dir": str(tmp_path / "out")},
    }
    (tmp_path / "run.yaml").write_text(json.dumps(settings))  # JSON is YAML
    planned = prefalign("plan", "run.yaml", "--format", "json", cwd=tmp_path)
    assert planned.returncode == 0, planned.stderr
    trained = prefalign("train", "run.yaml", cwd=tmp_path, env=LAUNCHED)
    assert trained.returncode == 0, trained.stderr
    plan = json.loads(planned.stdout)
    cost = json.loads((tmp_path / "out" / "run.json").read_text())["cost"]
    assert plan["work"]["steps"] == cost["steps"] == 3
    assert plan["work"]["tokens"] == cost["tokens_seen"]
    assert plan["memory"]["peak"] == pytest.approx(cost["peak_memory_bytes"], rel=0.25)
