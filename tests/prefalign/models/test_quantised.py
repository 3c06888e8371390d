"""QLoRA on a CPU: 4-bit weights, adapters in fp32, the reference without them, and what merging makes of it."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from prefalign.compare import compare
from prefalign.config import Lora, Model, RunConfig
from prefalign.models.loading import load_base, load_trained
from prefalign.plan.memory import Setup
from prefalign.plan.shape import read_shape
from prefalign.publishing.merge import merge
from prefdata.errors import InputError, MissingExtra
from tests.prefalign.models.test_adapters import Bench

bitsandbytes = pytest.importorskip("bitsandbytes")

NF4: dict[str, Any] = {"lora": {"r": 4}, "quantization": "nf4"}
TOKENS = torch.arange(3, 60)[None]


@pytest.fixture
def bench(tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Nothing of it has run."""
    monkeypatch.setenv("PREFALIGN_CACHE", str(tmp_path / "cache"))
    return Bench(tmp_path, tiny_model)


def log_probs(model: Any) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(input_ids=TOKENS).logits.log_softmax(-1)


@pytest.mark.slow
def test_a_run_on_4_bit_weights(bench: Bench) -> None:
    model = bench.settings["model"] | NF4
    record = bench.train("run", model=model)
    assert bench.losses("run")[0] == pytest.approx(math.log(2), abs=1e-6)
    assert bench.losses("run")[-1] < 0.9 * bench.losses("run")[0]
    plain = bench.train("plain", model=model | {"quantization": None}).model
    assert record.model.parameters == plain.parameters
    assert record.model.trainable_parameters == plain.trainable_parameters
    assert record.model.digest != plain.digest
    checkpointed = {"gradient_checkpointing": True}
    bench.train("again", model=model, hardware=bench.settings["hardware"] | checkpointed)
    assert bench.losses("again") == pytest.approx(bench.losses("run"), abs=1e-6)
    own = compare([bench.directory / "run"])
    scored = compare([bench.directory / "run"], pairs=bench.settings["data"]["test"])
    for mine, its in zip(own.runs, scored.runs, strict=True):
        assert mine.metrics.drift_chosen.value == pytest.approx(
            its.metrics.drift_chosen.value, abs=1e-5
        )

    adapters, block = bench.directory / "run" / "model", Model(**model)
    trained = log_probs(load_trained(adapters, block, "fp32"))
    assert "LoRA on nf4" in (adapters / "README.md").read_text()
    difference = merge(bench.directory / "run", bench.directory / "merged", stored="fp32")
    merged = AutoModelForCausalLM.from_pretrained(bench.directory / "merged")
    assert not hasattr(merged.config, "quantization_config")
    # the adapters are in the weights that the 4-bit ones were made from, which the difference says
    whole = load_trained(adapters, block.model_copy(update={"quantization": None}), "fp32")
    torch.testing.assert_close(log_probs(merged), log_probs(whole), rtol=0, atol=1e-4)
    off = float((log_probs(merged) - trained).abs().max())
    assert 0.5 * off < difference < 2 * off
    assert off > 1e-3


def test_what_is_in_4_bits_and_what_is_not(tiny_model: Path) -> None:
    block = Model(name=str(tiny_model), lora=Lora(r=4), quantization="nf4")
    model = load_base(block, "bf16")
    kinds = {name: weight.dtype for name, weight in model.named_parameters()}
    assert kinds["model.layers.0.mlp.up_proj.weight"] == torch.uint8
    assert kinds["model.embed_tokens.weight"] == torch.bfloat16
    held = sum(w.numel() * w.element_size() for w in model.state_dict().values())
    shape = read_shape(block)[0]
    planned = Setup(shape, "bf16", quantised=True).weights - 4 * shape.adapters
    tied = 2 * shape.vocabulary * shape.hidden  # twice in the state
    states = 14 * (
        166 + 4 * (16 + 256 + 1)
    )  # of 14 matrices; much for 32 x 32, nothing for 4096 x 4096
    assert planned == pytest.approx(held - tied - states, rel=0.05)


def test_what_cannot_be_quantised(
    bench: Bench, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="nf4 weights cannot be trained, only adapters") as caught:
        load_base(Model(name=str(tiny_model), quantization="nf4"), "fp32")
    assert "model.lora" in str(caught.value.hint)
    with pytest.raises(ValueError, match="engine: trl has never been tested with it"):
        RunConfig.model_validate(
            bench.config("run", model=bench.settings["model"] | NF4).model_dump()
            | {"engine": "trl"}
        )
    monkeypatch.setattr(
        "prefalign.models.quantised.find_spec", lambda _: None
    )  # as if it were not installed
    with pytest.raises(MissingExtra) as missing:
        load_base(Model(name=str(tiny_model), lora=Lora(), quantization="nf4"), "fp32")
    assert missing.value.hint == "pip install 'prefdata[qlora]'"
