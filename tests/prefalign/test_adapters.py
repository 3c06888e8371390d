"""Adapters of every kind in real runs: what they say is what plain PEFT says, in every layout."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from prefalign.config import RunConfig
from prefalign.dataset import PairDataset
from prefalign.engine.attention import attend_to_trees
from prefalign.engine.logps import score_tokens, segment_logps
from prefalign.engine.tree import Layout
from prefalign.merge import merge
from prefalign.progress import Silence
from prefalign.record import RunRecord, read_metrics
from prefalign.run import train
from tests.prefalign.engine.test_logps import naive_sums
from tests.prefalign.toys import token_table, whole_batch, write_toy_pairs


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty cache of this test's own."""
    monkeypatch.setenv("PREFALIGN_CACHE", str(tmp_path / "cache"))


class Bench:
    """Runs of 24 pairs, 3 steps an epoch, in fp32 on the CPU."""

    def __init__(self, directory: Path, model: Path) -> None:
        self.directory = directory
        self.settings: dict[str, Any] = {
            "data": {
                "train": str(write_toy_pairs(directory / "train.parquet", 24)),
                "test": str(write_toy_pairs(directory / "test.parquet", 6, first=100)),
            },
            "model": {"name": str(model)},
            "method": {"name": "dpo"},
            "optim": {"learning_rate": 1e-2, "epochs": 2, "warmup_ratio": 0.0},
            "batch": {"global_batch_size": 8, "micro_batch_size": 4},
            "hardware": {"device": "cpu", "precision": "fp32"},
        }

    def config(self, name: str, **groups: dict[str, Any]) -> RunConfig:
        merged = {k: self.settings.get(k, {}) | groups.get(k, {}) for k in self.settings | groups}
        return RunConfig.model_validate({"output": {"dir": str(self.directory / name)}} | merged)

    def train(self, name: str, **groups: dict[str, Any]) -> RunRecord:
        return train(self.config(name, **groups), Silence())

    def losses(self, name: str) -> list[float]:
        lines = read_metrics(self.directory / name)
        return [line["loss"] for line in lines if line["kind"] == "train"]


@pytest.fixture
def bench(tmp_path: Path, tiny_model: Path) -> Bench:
    """Nothing of it has run."""
    return Bench(tmp_path, tiny_model)


def dora(directory: Path) -> Any:
    """Returns a model in float64 with DoRA adapters that do something."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float64)
    settings = LoraConfig(r=4, use_dora=True, target_modules="all-linear", task_type="CAUSAL_LM")
    adapted = get_peft_model(model, settings).double()
    for name, weight in adapted.named_parameters():
        if "lora_B" in name or "magnitude" in name:
            torch.nn.init.normal_(weight, std=0.1)
    return adapted


@pytest.mark.parametrize("layout", ["shared", "packed", "padded"])
def test_dora_gives_every_layout_the_log_probs_and_gradients_of_plain_sequences(
    tiny_model: Path, layout: Layout
) -> None:
    data = PairDataset(token_table(5), layout=layout)
    fast, plain = dora(tiny_model), dora(tiny_model)
    score_tokens(fast)
    if layout != "padded":
        attend_to_trees(fast.get_base_model())
    batch = whole_batch(data)
    sums = segment_logps(fast, batch)
    (sums.chosen - sums.rejected).sum().backward()
    places = batch["pairs"].tolist()
    want = torch.stack([torch.stack(naive_sums(plain, data, place)[:2]) for place in places])
    (want[:, 0] - want[:, 1]).sum().backward()
    got = torch.stack((sums.chosen, sums.rejected), dim=1)
    torch.testing.assert_close(got, want, rtol=1e-9, atol=1e-9)
    trained = {name: weight for name, weight in plain.named_parameters() if weight.requires_grad}
    assert any("magnitude" in name for name in trained)
    for name, weight in fast.named_parameters():
        if name in trained:
            # a norm of transformers rounds to float32
            torch.testing.assert_close(weight.grad, trained[name].grad, rtol=1e-5, atol=1e-6)


def test_dora_starts_as_the_reference_learns_and_merges(bench: Bench) -> None:
    lora = {"r": 4, "dora": True}
    record = bench.train("dora", model={"lora": lora})
    assert bench.losses("dora")[0] == pytest.approx(math.log(2), abs=1e-6)
    assert bench.losses("dora")[-1] < 0.9 * bench.losses("dora")[0]
    saved = bench.directory / "dora" / "model"
    assert json.loads((saved / "adapter_config.json").read_text())["use_dora"]
    magnitudes = [
        name for name in load_file(saved / "adapter_model.safetensors") if "magnitude" in name
    ]
    assert len(magnitudes) == 14  # of 7 matrices in 2 layers
    assert "DoRA" in (saved / "README.md").read_text()
    assert (
        record.model.trainable_parameters
        > bench.train("lora", model={"lora": {"r": 4}}).model.trainable_parameters
    )
    assert merge(bench.directory / "dora", bench.directory / "merged", stored="fp32") < 1e-5
    checkpointed = {"gradient_checkpointing": True}
    bench.train("again", model={"lora": lora}, hardware=bench.settings["hardware"] | checkpointed)
    assert bench.losses("again") == pytest.approx(bench.losses("dora"), abs=1e-6)
