"""Adapters of every kind in real runs: what they say is what plain PEFT says, in every layout."""

import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from prefalign.compare import compare
from prefalign.config import Model, RunConfig
from prefalign.data.dataset import PairDataset
from prefalign.data.pair_set import read_set
from prefalign.engine.attention import attend_to_trees
from prefalign.engine.logps import score_tokens, segment_logps
from prefalign.engine.tree import Layout
from prefalign.models.loading import load_model
from prefalign.models.weights import weights_digest
from prefalign.progress import Silence
from prefalign.publishing.merge import merge
from prefalign.records.run import RunRecord, read_metrics, read_run
from prefalign.run import train
from prefdata.errors import ConfigError, InputError
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


class Continued:
    """Adapters that a first run trained, and what plain PEFT says with them."""

    def __init__(self, bench: Bench) -> None:
        bench.train("first", model={"lora": {"r": 4}})
        self.directory = bench.directory / "first" / "model"
        self.name = {"name": str(self.directory)}

    def model(self, adapters: Path) -> Any:
        base = json.loads((self.directory / "adapter_config.json").read_text())
        model = AutoModelForCausalLM.from_pretrained(
            base["base_model_name_or_path"], dtype=torch.float32
        )
        return PeftModel.from_pretrained(model, adapters).eval()

    def logps(self, adapters: Path, config: RunConfig) -> Any:
        """Returns (P, 2) log-probs of the test pairs, computed one sequence at a time."""
        data = PairDataset(read_set(str(config.data.test), config).store.table)
        model = self.model(adapters).double()
        with torch.no_grad():
            sums = [torch.stack(naive_sums(model, data, place)[:2]) for place in range(len(data))]
        return torch.stack(sums).numpy()


@pytest.fixture
def continued(bench: Bench) -> Continued:
    """A finished run of three epochs with LoRA."""
    return Continued(bench)


def recorded(directory: Path, prefix: str = "") -> Any:
    frame = pl.read_parquet(directory / "pairs.parquet")
    return frame.select(f"{prefix}chosen_logps", f"{prefix}rejected_logps").to_numpy()


def test_the_reference_of_adapters_is_what_they_said_at_first(
    bench: Bench, continued: Continued
) -> None:
    record = bench.train("second", model=continued.name)
    config = bench.config("second", model=continued.name)
    assert bench.losses("second")[0] == pytest.approx(math.log(2), abs=1e-6)
    assert bench.losses("second")[-1] < bench.losses("second")[0]
    run = config.output.dir
    want = continued.logps(continued.directory, config)
    np.testing.assert_allclose(recorded(run, "ref_"), want, rtol=0, atol=1e-5)
    trained = continued.logps(run / "model", config)
    np.testing.assert_allclose(recorded(run), trained, rtol=0, atol=1e-5)
    assert np.abs(trained - want).max() > 0.1
    assert np.abs(want - recorded(bench.directory / "first", "ref_")).max() > 0.1
    assert record.model.adapters_of == bench.settings["model"]["name"]
    assert record.model.parameters == read_run(bench.directory / "first").model.parameters
    # the adapters are part of the cache's key: their own reference is known, another's is not
    assert record.cost.reference_pairs == 30
    assert bench.train("same", model=continued.name).cost.reference_pairs == 0
    another = {"name": str(run / "model")}
    assert bench.train("another", model=another).cost.reference_pairs == 30
    card = (run / "README.md").read_text()
    assert "LoRA of model, trained further" in card


def test_a_resumed_run_keeps_the_reference_it_began_with(
    bench: Bench, continued: Continued
) -> None:
    saving = {"output": {"dir": str(bench.directory / "run"), "save_every_steps": 2}}
    bench.train("run", model=continued.name, **saving)
    run, undisturbed = bench.directory / "run", bench.losses("run")
    weights = load_file(run / "model" / "adapter_model.safetensors")
    pairs = recorded(run, "ref_")
    for name in ("checkpoint-6", "model"):  # as if it had died after step 4
        shutil.rmtree(run / name)
    (run / "run.json").unlink()
    shutil.rmtree(bench.directory / "cache")  # so that the reference has to be computed again
    train(bench.config("run", model=continued.name, **saving), Silence(), resume=True)
    assert bench.losses("run") == undisturbed
    np.testing.assert_array_equal(recorded(run, "ref_"), pairs)
    for name, weight in load_file(run / "model" / "adapter_model.safetensors").items():
        assert torch.equal(weight, weights[name]), name


def test_trained_adapters_merge_and_compare(bench: Bench, continued: Continued) -> None:
    bench.train("dpo", model=continued.name)
    bench.train("orpo", model=continued.name, method={"name": "orpo"})
    directories = [bench.directory / name for name in ("dpo", "orpo")]
    own = compare(directories)
    scored = compare(directories, pairs=bench.settings["data"]["test"])
    for mine, its in zip(own.runs, scored.runs, strict=True):
        assert mine.metrics.accuracy_reference.value == its.metrics.accuracy_reference.value
        assert mine.metrics.drift_chosen.value == pytest.approx(
            its.metrics.drift_chosen.value, abs=1e-5
        )
    merged = bench.directory / "merged"
    assert merge(directories[0], merged, stored="fp32") < 1e-5
    tokens = torch.arange(3, 60)[None]
    with torch.no_grad():
        got = AutoModelForCausalLM.from_pretrained(merged)(input_ids=tokens).logits
        want = continued.model(directories[0] / "model")(input_ids=tokens).logits
    torch.testing.assert_close(got, want, rtol=0, atol=1e-4)


def test_what_cannot_be_trained_further(bench: Bench, continued: Continued) -> None:
    with pytest.raises(InputError, match="holds adapters, which are trained further") as caught:
        bench.train("new", model=continued.name | {"lora": {"r": 8}})
    assert "prefalign merge" in str(caught.value.hint)
    with pytest.raises(ConfigError, match="holds adapters"):
        train(
            bench.config("trl", model=continued.name).model_copy(update={"engine": "trl"}),
            Silence(),
        )
    file = continued.directory / "adapter_config.json"
    settings = json.loads(file.read_text())
    for change, said in (
        ({"peft_type": "IA3"}, "its adapters are IA3"),
        ({"base_model_name_or_path": None}, "does not say which model"),
        ({"base_model_name_or_path": "gone"}, "cannot load the model"),
    ):
        file.write_text(json.dumps(settings | change))
        with pytest.raises(InputError, match=said) as caught:
            bench.train("broken", model=continued.name)
        assert caught.value.hint


def test_a_digest_tells_adapters_apart(bench: Bench, continued: Continued) -> None:
    model = load_model(Model(**continued.name), "fp32")
    plain = load_model(Model(name=bench.settings["model"]["name"]), "fp32")
    assert weights_digest(model, adapters=False) == weights_digest(plain)
    digest = weights_digest(model)
    assert digest != weights_digest(plain)
    model.peft_config["default"].lora_alpha *= 2
    assert weights_digest(model) != digest
