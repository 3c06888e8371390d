"""ZeRO-2 and ZeRO-3 of DeepSpeed among two processes train what one process does, and go on from their pieces."""

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from prefalign.launchers import launcher
from tests.prefalign.sharding.runs import (
    RUNS,
    Runs,
    assert_trained_alike,
    lose_the_end,
    start,
    train_both_ways,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        find_spec("deepspeed") is None, reason="needs pip install 'prefdata[deepspeed]'"
    ),
]
ON_CPUS = {"ACCELERATE_TORCH_DEVICE": "cpu", "DS_ACCELERATOR": "cpu", "DS_BUILD_OPS": "0"}


@pytest.fixture(scope="module", params=["zero2", "zero3"])
def runs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, tiny_model: Path
) -> Runs:
    made = Runs(tmp_path_factory.mktemp(request.param), tiny_model)
    (made.directory / "launcher.yaml").write_text(launcher(request.param))
    return train_both_ways(made, shipped(made), **ON_CPUS)


def shipped(runs: Runs) -> list[str]:
    return ["--config_file", str(runs.directory / "launcher.yaml")]


@pytest.mark.parametrize("name", RUNS)
def test_two_processes_train_what_one_does(runs: Runs, name: str) -> None:
    assert_trained_alike(runs, name, rounded=True)


def test_a_run_goes_on_to_the_bit_with_as_many_processes_and_is_refused_to_others(
    runs: Runs,
) -> None:
    whole = runs.weights("dpo", "two")
    lose_the_end(runs, "dpo")
    cache = {"PREFALIGN_CACHE": str(runs.directory / "cache-two")}
    file = runs.write("dpo", "two")
    other = start([file], shipped(runs), processes=1, **cache, **ON_CPUS)
    assert "checkpoint-2: written by 2 processes, and DeepSpeed cannot go on" in other.stderr
    done = start([file], shipped(runs), **cache, **ON_CPUS)
    assert done.returncode == 0, done.stderr[-4000:]
    assert len(runs.losses("dpo", "two")) == 3
    for key, weight in runs.weights("dpo", "two").items():
        assert torch.equal(weight, whole[key]), key


def test_a_broken_gradient_ends_the_run_and_leaves_the_weights_before_it(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(RUNS, "diverging", {"optim": {"learning_rate": 1e30}})
    cache = {"PREFALIGN_CACHE": str(runs.directory / "cache-two")}
    ended = start([runs.write("diverging", "two")], shipped(runs), **cache, **ON_CPUS)
    assert "Diverged: gradient is inf at step 2" in ended.stderr, ended.stderr[-4000:]
    assert "the state before is in" in ended.stderr
    pieces = runs.path("diverging", "two").glob("checkpoint-1/global_step*/*optim_states.pt")
    for piece in pieces:
        state = torch.load(piece, weights_only=False)["optimizer_state_dict"]
        weights = state.get("single_partition_of_fp32_groups") or state["fp32_flat_groups"]
        assert all(weight.isfinite().all() for weight in weights)
