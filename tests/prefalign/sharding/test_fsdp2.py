"""FSDP2 among two processes trains what one process does; what it cannot do is refused."""

from pathlib import Path

import pytest
import torch

from prefalign.config import load_run
from prefalign.progress import Silence
from prefalign.run import train
from prefdata.errors import PrefError
from tests.prefalign.sharding.runs import (
    LORA,
    RUNS,
    Runs,
    assert_trained_alike,
    lose_the_end,
    start,
    train_both_ways,
)

FSDP2 = [
    "--use_fsdp", "--fsdp_version", "2", "--fsdp_auto_wrap_policy", "TRANSFORMER_BASED_WRAP",
    "--fsdp_cpu_ram_efficient_loading", "true",
]  # fmt: skip
ON_CPUS = {"ACCELERATE_USE_CPU": "true"}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Runs:
    made = Runs(tmp_path_factory.mktemp("fsdp2"), tiny_model)
    return train_both_ways(made, FSDP2, **ON_CPUS)


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
def test_two_processes_train_what_one_does(runs: Runs, name: str) -> None:
    assert_trained_alike(runs, name)


@pytest.mark.slow
def test_a_run_goes_on_from_shards_and_one_too_thin_to_divide_is_refused(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = runs.weights("dpo", "two")
    lose_the_end(runs, "dpo")
    monkeypatch.setitem(RUNS, "thin", {"model": {"lora": LORA | {"r": 1}}})
    files = [runs.write(name, "two") for name in ("dpo", "thin")]
    done = start(files, FSDP2, PREFALIGN_CACHE=str(runs.directory / "cache-two"), **ON_CPUS)
    assert "lora_A.default.weight (1, 32) has no row for some of the processes" in done.stderr
    assert len(runs.losses("dpo", "two")) == 3
    for key, weight in runs.weights("dpo", "two").items():
        assert torch.equal(weight, whole[key]), key


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
