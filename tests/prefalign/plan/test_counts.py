"""What a plan counts, against the run itself: every tensor the model was given, every metric it wrote."""

from pathlib import Path
from typing import Any

import pytest

from prefalign.config import RunConfig
from prefalign.plan import Target, make_plan
from prefalign.plan.record import Plan
from prefalign.progress import Silence
from tests.prefalign.toys import write_toy_pairs


@pytest.fixture
def settings(tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Two epochs of 13 pairs in steps of 4: the last step of each has one pair."""
    monkeypatch.setenv("PREFALIGN_CACHE", str(tmp_path / "cache"))
    return {
        "data": {
            "train": str(write_toy_pairs(tmp_path / "train.parquet", 13)),
            "test": str(write_toy_pairs(tmp_path / "test.parquet", 3, first=100)),
        },
        "model": {"name": str(tiny_model)},
        "method": {"name": "dpo"},
        "optim": {"epochs": 2},
        "batch": {"global_batch_size": 4, "micro_batch_size": 2},
        "eval": {"every_steps": 4},
        "hardware": {"device": "cpu", "precision": "fp32"},
        "output": {"dir": str(tmp_path / "out")},
    }


def planned(settings: dict[str, Any], tmp_path: Path, device: str = "cpu") -> Plan:
    run_file = tmp_path / "run.yaml"
    run_file.write_text(RunConfig.model_validate(settings).model_dump_json())  # JSON is YAML
    config = RunConfig.model_validate(settings)
    return make_plan(config, run_file, (), target=Target(device), mfu=0.4, reporter=Silence())


@pytest.mark.parametrize(
    "change",
    [
        {"model": {"lora": {"r": 4}}},
        {"method": {"name": "orpo"}, "optim": {"epochs": 1.4}},
        {"optim": {"max_steps": 3}, "batch": {"micro_batch_size": 3}, "data": {"test": None},
         "eval": {"every_steps": None}},
    ],
    ids=["dpo-lora", "orpo", "max-steps"],
)  # fmt: skip
def test_steps_and_tokens_are_those_of_the_run(
    settings: dict[str, Any], change: dict[str, Any], tmp_path: Path
) -> None:
    from prefalign.run import Run

    for group, values in change.items():
        settings[group] = settings[group] | values if group != "method" else values
    work = planned(settings, tmp_path).work

    run = Run(RunConfig.model_validate(settings), Silence())
    trainer = run.trainer(None)
    given = {True: [0, 0, 0], False: [0, 0, 0]}

    def watch(module: Any, _args: Any, inputs: dict[str, Any]) -> None:
        seen = given[module.training]
        seen[0] += 1
        seen[1] += inputs["input_ids"].numel()
        seen[2] += len(inputs["targets"])

    trainer.model.register_forward_pre_hook(watch, with_kwargs=True)
    run.fit(trainer)
    record = run.finish(trainer)
    assert [work.forward_passes, work.tokens_read, work.tokens_scored] == given[True]
    assert (work.steps, work.pairs) == (record.cost.steps, record.cost.pairs_seen)
    assert work.tokens == record.cost.tokens_seen
    passes_of_a_set = 1 if settings["data"]["test"] else 0  # 3 test pairs, 4 at once
    assert given[False][0] == work.evaluations * passes_of_a_set


def test_the_plan_of_several_processes_counts_all_of_them(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    alone = planned(settings, tmp_path)
    settings["hardware"] |= {"num_processes": 2}
    together = planned(settings, tmp_path)
    assert together.processes == 2
    assert together.work.steps == alone.work.steps
    assert together.work.pairs == alone.work.pairs == 26
    assert together.work.tokens == alone.work.tokens
    assert together.memory.copies > alone.memory.copies  # buckets of gradients
    assert together.times[0].seconds < alone.times[0].seconds


def test_operations_follow_from_tokens(settings: dict[str, Any], tmp_path: Path) -> None:
    full = planned(settings, tmp_path)
    settings["model"] |= {"lora": {"r": 4}}
    lora = planned(settings, tmp_path)
    settings["hardware"] |= {"gradient_checkpointing": True}
    again = planned(settings, tmp_path)
    assert full.work.tokens_read == lora.work.tokens_read
    # two thirds for the body, whose weights stay as they are, and a little for the adapters
    assert 2 / 3 < lora.work.training.body / full.work.training.body < 1
    assert lora.trainable_parameters < full.trainable_parameters
    assert again.work.training.recomputed > 0
    assert again.work.training.body == lora.work.training.body
    assert again.memory.activations < lora.memory.activations
    assert full.work.reference == lora.work.reference


def test_4_bits_and_offloading_spare_a_gpu_s_memory(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    settings["model"] |= {"lora": {"r": 4}}
    settings["hardware"] = {"precision": "bf16"}
    plain = planned(settings, tmp_path, "H100").memory
    settings["model"] |= {"quantization": "nf4"}
    settings["hardware"] |= {"activation_offloading": True}
    spared = planned(settings, tmp_path, "H100").memory
    assert spared.weights < plain.weights
    assert spared.activations < plain.activations
    assert spared.gradients == plain.gradients
    assert (
        planned(settings, tmp_path).memory.activations > spared.activations
    )  # nowhere to go on a CPU
