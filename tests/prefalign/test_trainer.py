"""Whole runs of the tiny model in this process: what they learn, what they leave, what changes nothing."""

import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file
from torch._dynamo.utils import counters
from torch._inductor import config as inductor
from torch._inductor.utils import fresh_cache
from transformers import AutoModelForCausalLM, AutoTokenizer

from prefalign import run as run_module
from prefalign.config import RunConfig
from prefalign.data.dataset import PairDataset, epoch_order
from prefalign.data.pair_set import read_set
from prefalign.errors import Diverged
from prefalign.progress import Silence
from prefalign.records.run import RunRecord, read_run
from prefalign.run import Run, train
from prefalign.survival.checkpoints import newest_checkpoint
from tests.prefalign.toys import write_toy_pairs


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of this test's own."""
    monkeypatch.setenv("PREFALIGN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def settings(tmp_path: Path, tiny_model: Path) -> dict[str, Any]:
    """A run file of 24 pairs, 3 steps an epoch, in fp32 on the CPU."""
    return {
        "data": {
            "train": str(write_toy_pairs(tmp_path / "train.parquet", 24)),
            "test": str(write_toy_pairs(tmp_path / "test.parquet", 6, first=100)),
        },
        "model": {"name": str(tiny_model)},
        "method": {"name": "dpo"},
        "optim": {"learning_rate": 1e-3, "epochs": 2, "warmup_ratio": 0.0},
        "batch": {"global_batch_size": 8, "micro_batch_size": 4},
        "hardware": {"device": "cpu", "precision": "fp32"},
        "output": {"dir": str(tmp_path / "run")},
    }


def run_with(settings: dict[str, Any], **groups: dict[str, Any]) -> tuple[RunConfig, RunRecord]:
    merged = {name: settings.get(name, {}) | groups.get(name, {}) for name in settings | groups}
    if "method" in groups:
        merged["method"] = groups["method"]
    config = RunConfig.model_validate(merged)
    return config, train(config, Silence())


def lines(config: RunConfig, kind: str) -> list[dict[str, float]]:
    text = (config.output.dir / "metrics.jsonl").read_text()
    return [line for line in map(json.loads, text.splitlines()) if line["kind"] == kind]


def losses(config: RunConfig) -> list[float]:
    return [line["loss"] for line in lines(config, "train")]


def test_the_first_dpo_loss_is_log_2(settings: dict[str, Any]) -> None:
    config, _ = run_with(settings, optim={"max_steps": 1})
    assert losses(config) == [pytest.approx(math.log(2), abs=1e-6)]
    assert lines(config, "eval")[0]["accuracy_reference"] == 0.5


@pytest.mark.parametrize("method", ["dpo", "orpo"])
@pytest.mark.parametrize("lora", [None, {"r": 8}])
def test_a_learnable_preference_is_learnt(
    settings: dict[str, Any], method: str, lora: dict[str, Any] | None
) -> None:
    rate = 1e-2 if lora else 2e-3
    config, record = run_with(
        settings,
        method={"name": method},
        model={"lora": lora},
        optim={"learning_rate": rate, "epochs": 3},
    )
    assert losses(config)[-1] < losses(config)[0]
    before, *_, after = lines(config, "eval")
    assert (before["accuracy_reference"], before["pairs_seen"]) == (0.5, 0)
    assert after["accuracy_reference"] > 0.8
    assert after["pairs_seen"] == 72
    assert record.metrics is not None
    assert record.metrics.accuracy_reference.value == after["accuracy_reference"]


@pytest.mark.parametrize(
    "method",
    [
        {"name": "dpo"},
        {"name": "orpo"},
        {"name": "orpo", "nll_over": "completion"},
        {"name": "dpo", "loss": ["aot", "sft"], "ld_alpha": 0.3},
        {"name": "dpo", "loss": "ipo", "wpo": True},
    ],
)
def test_accumulation_changes_nothing(
    settings: dict[str, Any], tmp_path: Path, method: dict[str, Any]
) -> None:
    curves, weights = [], []
    for micro in (8, 1, 3):  # 3 does not divide the batch
        directory = tmp_path / f"micro{micro}"
        config, _ = run_with(
            settings,
            method=method,
            batch={"micro_batch_size": micro},
            output={"dir": str(directory)},
        )
        curves.append(losses(config))
        weights.append(load_file(directory / "model" / "model.safetensors"))
    assert len(curves[0]) == 6
    for curve, state in zip(curves[1:], weights[1:], strict=True):
        assert curve == pytest.approx(curves[0], abs=2e-6)
        for name, weight in state.items():
            torch.testing.assert_close(weight, weights[0][name], rtol=0, atol=5e-5)


def test_entropy_and_top1_are_logged(settings: dict[str, Any], tiny_model: Path) -> None:
    config, _ = run_with(settings, optim={"max_steps": 1}, batch={"micro_batch_size": 3})
    (line,) = lines(config, "train")
    data = PairDataset(read_set(config.data.train, config).store.table)
    first = epoch_order(data.prompt_ids, seed=0, epoch=0)[:8]
    model = AutoModelForCausalLM.from_pretrained(tiny_model)
    entropy, hits = [], []
    for place in first:
        for side in data.sides:
            prompt, completion = data.prompts[place], side[place]
            ids = torch.from_numpy(np.concatenate((prompt, completion))).long()[None]
            logits = model(input_ids=ids).logits[0, len(prompt) - 1 : -1]
            entropy.append(torch.distributions.Categorical(logits=logits).entropy())
            hits.append((logits.argmax(-1) == ids[0, len(prompt) :]).double())
    assert line["entropy"] == pytest.approx(torch.cat(entropy).mean().item(), rel=1e-5)
    assert line["top1_chosen"] == pytest.approx(torch.cat(hits[::2]).mean().item())


def test_pairs_as_many_voted_for_as_against_teach_nothing(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    pairs = pl.read_parquet(settings["data"]["train"])
    vote = [
        {"choice": choice, "annotator": None, "strength": None} for choice in ("chosen", "rejected")
    ]
    undecided = pairs.with_columns(
        pl.Series("votes", [vote] * pairs.height, dtype=pairs.schema["votes"])
    )
    undecided.write_parquet(tmp_path / "undecided.parquet")
    config, _ = run_with(
        settings,
        data={"train": str(tmp_path / "undecided.parquet"), "test": None},
        method={"name": "dpo", "labels": "votes"},
    )
    # from the reference on, where the margin is 0, such labels pull both ways alike
    assert losses(config) == [pytest.approx(math.log(2), abs=1e-6)] * 6
    assert [line["grad_norm"] for line in lines(config, "train")] == [
        pytest.approx(0, abs=1e-5)
    ] * 6


def test_the_last_incomplete_batch_is_trained_on(settings: dict[str, Any], tmp_path: Path) -> None:
    train_file = write_toy_pairs(tmp_path / "odd.parquet", 11)
    config, record = run_with(settings, data={"train": str(train_file)}, optim={"epochs": 1})
    assert [line["pairs_seen"] for line in lines(config, "train")] == [8, 11]
    assert (record.cost.steps, record.cost.pairs_seen) == (2, 11)


@pytest.mark.parametrize("lora", [None, {"r": 4, "dropout": 0.2}])
def test_resuming_equals_not_stopping(
    settings: dict[str, Any], tmp_path: Path, lora: dict[str, Any] | None
) -> None:
    config, _ = run_with(settings, model={"lora": lora}, output={"save_every_steps": 2})
    undisturbed = losses(config)
    weights = (config.output.dir / "model").glob("*.safetensors")
    want = load_file(next(weights))

    for name in ("checkpoint-6", "model"):  # as if it had died after step 4 (of 6, in epoch 2)
        shutil.rmtree(config.output.dir / name)
    (config.output.dir / "run.json").unlink()
    checkpoint = newest_checkpoint(config.output.dir)
    assert checkpoint is not None
    assert checkpoint.name == "checkpoint-4"
    train(config, Silence(), resume=True)
    assert losses(config) == undisturbed
    got = load_file(next((config.output.dir / "model").glob("*.safetensors")))
    for name, weight in want.items():
        assert torch.equal(got[name], weight), name


def test_a_half_written_checkpoint_is_passed_over(tmp_path: Path) -> None:
    for name, complete in (
        ("checkpoint-2", True),
        ("checkpoint-10", True),
        ("checkpoint-12", False),
    ):
        (tmp_path / name).mkdir()
        if complete:
            (tmp_path / name / "manifest.json").touch()
    newest = newest_checkpoint(tmp_path)
    assert newest is not None
    assert newest.name == "checkpoint-10"


def test_what_a_run_leaves_behind(settings: dict[str, Any]) -> None:
    config, record = run_with(settings, model={"lora": {"r": 4}}, output={"save_every_steps": 3})
    directory = config.output.dir
    assert read_run(directory) == record
    assert record.train.pairs == 24
    assert record.cost.steps == 6
    assert record.model.trainable_parameters < record.model.parameters
    card = (directory / "README.md").read_text()
    assert card == (directory / "model" / "README.md").read_text()
    assert "arXiv:2305.18290" in card
    assert (directory / "model" / "adapter_model.safetensors").exists()
    assert AutoTokenizer.from_pretrained(directory / "model").chat_template
    pairs = pl.read_parquet(directory / "pairs.parquet")
    assert pairs["id"].to_list() == pl.read_parquet(config.data.test or "")["id"].to_list()
    assert {"chosen_logps", "ref_chosen_logps", "chosen_tokens"} <= set(pairs.columns)
    assert not list(directory.rglob("training_args.bin"))


def test_evaluation_every_few_steps(settings: dict[str, Any]) -> None:
    config, _ = run_with(settings, eval={"every_steps": 4})
    assert [line["step"] for line in lines(config, "eval")] == [0, 4, 6]


def test_a_run_without_held_out_pairs(settings: dict[str, Any]) -> None:
    config, record = run_with(settings, data={"test": None})
    assert record.metrics is None
    assert lines(config, "eval") == []
    assert not (config.output.dir / "pairs.parquet").exists()


def test_a_loss_that_is_no_number_stops_the_run(
    settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    load = run_module.load_model

    def poisoned(*arguments: Any) -> Any:
        model = load(*arguments)
        with torch.no_grad():
            model.model.norm.weight[0] = float("nan")
        return model

    monkeypatch.setattr(run_module, "load_model", poisoned)
    with pytest.raises(
        Diverged, match=r"loss is nan at step 1; last pairs: [0-9a-f]{32}"
    ) as caught:
        run_with(settings)
    assert caught.value.exit_code == 4


def test_gradient_checkpointing_changes_no_loss(settings: dict[str, Any], tmp_path: Path) -> None:
    plain, _ = run_with(settings, model={"lora": {"r": 4}})
    checkpointed, _ = run_with(
        settings,
        model={"lora": {"r": 4}},
        hardware={"gradient_checkpointing": True},
        output={"dir": str(tmp_path / "checkpointed")},
    )
    assert losses(checkpointed) == pytest.approx(losses(plain), abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lora", "checkpointing"), [(None, False), ({"r": 4}, True)], ids=["full", "lora-checkpointed"]
)
def test_compiled_layers_change_no_loss(
    settings: dict[str, Any], tmp_path: Path, lora: dict[str, Any] | None, checkpointing: bool
) -> None:
    torch._dynamo.reset()
    found = []
    settings["data"].pop("test")
    for compiled in (False, True):
        counters.clear()
        config, _ = run_with(
            settings,
            method={"name": "orpo"},
            model={"lora": lora},
            hardware={"gradient_checkpointing": checkpointing, "compile": compiled},
            output={"dir": str(tmp_path / f"compiled-{compiled}")},
        )
        assert bool(counters["stats"]["unique_graphs"]) == compiled
        found.append(losses(config))
    plain, compiled_losses = found
    assert len(plain) == 6
    assert compiled_losses == pytest.approx(plain, abs=1e-5)


def test_layers_that_do_not_compile_run_as_they_are(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    torch._dynamo.reset()
    heard: list[str] = []

    class Listener(Silence):
        def say(self, text: str) -> None:
            heard.append(text)

    with fresh_cache(), inductor.patch({"cpp.cxx": (None, "no-such-compiler")}):
        config = RunConfig.model_validate(
            settings
            | {"optim": {"max_steps": 2}}
            | {"hardware": settings["hardware"] | {"compile": True}}
        )
        train(config, Listener())
    assert any("not compiled" in text for text in heard), heard
    assert losses(config)[0] == pytest.approx(math.log(2), abs=1e-6)


def test_bf16_keeps_adapters_in_fp32(settings: dict[str, Any]) -> None:
    config, record = run_with(
        settings, model={"lora": {"r": 4}}, hardware={"precision": "bf16"}, optim={"max_steps": 2}
    )
    assert record.precision == "bf16"
    assert losses(config)[0] == pytest.approx(math.log(2), abs=0.02)
    adapter = load_file(config.output.dir / "model" / "adapter_model.safetensors")
    assert {weight.dtype for weight in adapter.values()} == {torch.float32}


def test_the_frozen_base_is_stored_in_bf16(settings: dict[str, Any]) -> None:
    config = RunConfig.model_validate(
        settings
        | {
            "model": settings["model"] | {"lora": {"r": 4}},
            "hardware": {"device": "cpu", "precision": "bf16"},
        }
    )
    model = Run(config, Silence()).model
    dtypes = {weight.dtype for weight in model.parameters() if not weight.requires_grad}
    assert dtypes == {torch.bfloat16}
