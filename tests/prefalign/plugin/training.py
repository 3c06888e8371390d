"""Trainings by TRL on a few toy pairs, and what they leave behind."""

import random
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from datasets import Dataset
from torch import Tensor
from trl import DPOConfig, DPOTrainer

from prefalign import accelerate_preferences
from tests.prefalign.toys import WORDS

Make = Callable[..., DPOTrainer]
_CLOCKS = ("runtime", "per_second")


def trainer_of(model: Any, output: str, *, parts: Any = None, **settings: Any) -> DPOTrainer:
    """Returns a trainer: two pairs a batch, a line of log a step, two steps, one evaluation."""
    usual = {
        "output_dir": output,
        "per_device_train_batch_size": 2,
        "max_steps": 2,
        "learning_rate": 1e-2,
        "logging_steps": 1,
        "eval_strategy": "steps",
        "eval_steps": 2,
        "save_strategy": "no",
        "report_to": [],
        "disable_tqdm": True,
        "use_cpu": True,
        "bf16": False,
    }
    sets = {"train_dataset": toy_set(8), "eval_dataset": toy_set(3, seed=1)}
    return DPOTrainer(model=model, args=DPOConfig(**usual | settings), **sets | (parts or {}))


def toy_set(count: int, *, seed: int = 0) -> Dataset:
    """Pairs of which some have the prompt of another, and some completions begin alike."""
    rng = random.Random(seed)

    def words() -> str:
        return "".join(f" {rng.choice(WORDS)}" for _ in range(rng.randint(1, 12)))

    prompts = [f"Question {number}:{words()}?" for number in range(count)]
    return Dataset.from_list(
        [
            {"prompt": rng.choice(prompts), "chosen": f" Sure{words()}", "rejected": words()}
            for _ in range(count)
        ]
    )


class Trained(NamedTuple):
    """What a training left behind: its logs without clocks, and the weights by name."""

    logs: list[dict[str, float]]
    weights: dict[str, Tensor]


def trained(trainer: DPOTrainer) -> Trained:
    trainer.train()
    logs = [
        {name: value for name, value in line.items() if not name.endswith(_CLOCKS)}
        for line in trainer.state.log_history
    ]
    return Trained(
        logs, {name: weight.detach() for name, weight in trainer.model.named_parameters()}
    )


def assert_same(found: Trained, want: Trained) -> None:
    """Sums of float32 log-probs of 100 nats are exact to 1e-5; rewards are differences of them."""
    assert [list(line) for line in found.logs] == [list(line) for line in want.logs]
    for mine, its in zip(found.logs, want.logs, strict=True):
        assert mine == pytest.approx(its, rel=1e-4, abs=1e-5)
    assert found.weights.keys() == want.weights.keys()
    for name, weight in want.weights.items():
        assert (found.weights[name] - weight).norm() <= 1e-4 * weight.norm(), name


def both_ways(make: Make, **settings: Any) -> tuple[DPOTrainer, Trained, Trained]:
    """Returns the accelerated trainer, what it left behind, and what TRL alone does."""
    plain = trained(make(**settings))
    trainer = accelerate_preferences(make(**settings))
    return trainer, trained(trainer), plain
