"""Runs whose loss is no number, or far too high for long, end with what is needed to see why."""

import math
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from prefalign.config import RunConfig
from prefalign.errors import Diverged
from prefalign.progress import Silence
from prefalign.records.run import read_metrics
from prefalign.run import train
from prefalign.survival.checkpoints import damage
from prefalign.survival.divergence import PATIENCE, too_high_since
from tests.prefalign.toys import write_toy_pairs


def history(losses: list[float]) -> list[dict[str, Any]]:
    """A log history with evaluations in between, as transformers keeps it."""
    lines: list[dict[str, Any]] = []
    for step, loss in enumerate(losses, start=1):
        lines += [{"step": step, "loss": loss}, {"step": step, "eval_margin": 1e9}]
    return lines


def test_single_batches_may_jump() -> None:
    rng = random.Random(0)
    # a learnt set with a pair in ten that is labelled the wrong way round: beta times margin is 30
    learnt = [30.0 if rng.random() < 0.1 else 1e-4 for _ in range(2000)]
    losses = [math.log(2)] * 5 + learnt
    for end in range(1, len(losses), 7):
        high = too_high_since(history(losses[:end]))
        assert high is None or high[1] < PATIENCE


@pytest.mark.parametrize(
    ("losses", "since"),
    [
        ([], None),
        ([0.69, 0.6, 0.5, 0.4, 0.3, 4.9], None),
        ([0.69, 0.6, 0.5, 0.4, 0.3, 5.1, 7.0], (6, 2)),
        ([2.5, 2.6, 40.0, 50.0, 60.0], (3, 3)),  # at once: the lowest of the first lines counts
        ([2.5, 2.6, 40.0, 50.0, 2.0], None),
        ([100.0, 90.0, 80.0, 70.0, 60.0, 250.0], None),  # a loss that is large by nature
        ([-1.0, -2.0, -1.0, -1.0, -1.0, 9.0], (6, 1)),
    ],
)
def test_where_a_run_began_decides(losses: list[float], since: tuple[int, int] | None) -> None:
    assert too_high_since(history(losses)) == since


def config(directory: Path, model: Path, **optim: Any) -> RunConfig:
    return RunConfig.model_validate(
        {
            "data": {"train": str(write_toy_pairs(directory / "train.parquet", 32))},
            "model": {"name": str(model)},
            "method": {"name": "orpo"},
            "optim": {"scheduler": "constant", "warmup_ratio": 0.0, "epochs": 8, **optim},
            "batch": {"global_batch_size": 8, "micro_batch_size": 4},
            "hardware": {"device": "cpu", "precision": "fp32"},
            "output": {"dir": str(directory / "run"), "log_every_steps": 1},
        }
    )


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFALIGN_CACHE", str(tmp_path / "cache"))


def test_a_gradient_that_is_no_number_never_reaches_the_weights(
    tmp_path: Path, tiny_model: Path
) -> None:
    run = config(tmp_path, tiny_model, learning_rate=1e3)  # weights of 1e3 after the first step
    rarely = run.output.model_copy(update={"log_every_steps": 30})
    with pytest.raises(Diverged, match=r"is nan at step 2; last pairs: [0-9a-f]{32}, ") as ended:
        train(run.model_copy(update={"output": rarely}), Silence(), resume=True)
    checkpoint = run.output.dir / "checkpoint-1"
    assert f"the state before is in {checkpoint}" in ended.value.message
    assert ended.value.exit_code == 4
    assert damage(checkpoint) is None
    weights = load_file(checkpoint / "model.safetensors")
    assert all(bool(torch.isfinite(weight).all()) for weight in weights.values())


def test_an_explosion_leaves_the_checkpoint_from_before_it(
    tmp_path: Path, tiny_model: Path
) -> None:
    run = config(tmp_path, tiny_model, learning_rate=3.0)
    often = run.output.model_copy(update={"save_every_steps": 1})
    with pytest.raises(Diverged, match=r"far above where it began since step 2; last") as ended:
        train(run.model_copy(update={"output": often}), Silence(), resume=True)
    losses = [line["loss"] for line in read_metrics(run.output.dir)]
    assert len(losses) == 1 + PATIENCE - 1  # the line that ends it is in the message
    assert min(losses[1:]) > 5 * losses[0] > 5
    assert f"the state before is in {run.output.dir / 'checkpoint-1'}" in ended.value.message
    assert (run.output.dir / "checkpoint-1").is_dir()
    assert len(list(run.output.dir.glob("checkpoint-*"))) == 3
