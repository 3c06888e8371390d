"""Recipes by size: where their settings come from, and a plan of each at its real shape."""

import re
from pathlib import Path

import pytest
import yaml

from prefalign.config import load_run
from prefalign.plan import Target, make_plan
from prefalign.progress import Silence
from prefalign.recipes import recipe
from tests.prefalign.toys import write_toy_pairs
from tests.tiny import write_tiny_tokenizer

# hidden, inner, layers, heads, keys, vocabulary, tied: SmolLM2 135M, OLMo 2 1B, Llama 3.1 8B and 70B
SHAPES = {
    "0.1b": (576, 1536, 30, 9, 3, 49152, True, 0.135e9),
    "1b": (2048, 8192, 16, 16, 16, 100352, False, 1.48e9),
    "8b": (4096, 14336, 32, 32, 8, 128256, False, 8.03e9),
    "70b": (8192, 28672, 80, 64, 8, 128256, False, 70.6e9),
}
# what the sources that the recipes name say, written down once more
PUBLISHED = {
    "dpo-0.1b": {"beta": 0.5, "learning_rate": 1e-6, "scheduler": "cosine", "epochs": 2, "pairs": 128},
    "dpo-1b": {"beta": 5, "learning_rate": 2.5e-6, "scheduler": "linear", "epochs": 1, "pairs": 128},
    "dpo-8b": {"beta": 5, "learning_rate": 5e-7, "scheduler": "linear", "epochs": 1, "pairs": 128},
    "dpo-70b": {"beta": 5, "learning_rate": 2e-7, "scheduler": "linear", "epochs": 1, "pairs": 128},
    "orpo-0.1b": {"lambda_": 0.1, "learning_rate": 8e-6, "scheduler": "linear", "epochs": 1, "pairs": 4},
    "orpo-1b": {"lambda_": 0.1, "learning_rate": 5e-6, "scheduler": "cosine", "epochs": 5, "pairs": 8},
    "orpo-8b": {"lambda_": 0.1, "learning_rate": 5e-6, "scheduler": "cosine", "epochs": 5, "pairs": 32},
    "orpo-70b": {"lambda_": 0.05, "learning_rate": 5e-6, "scheduler": "cosine", "epochs": 3, "pairs": 32},
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_settings_are_those_of_the_source(name: str) -> None:
    text = recipe(name)
    values = yaml.safe_load(text)
    flat = values["method"] | values["optim"] | {"pairs": values["batch"]["global_batch_size"]}
    assert {key: flat[key] for key in PUBLISHED[name]} == PUBLISHED[name]
    comment = text.partition("\ndata:")[0]
    assert re.search(r"Settings: github\.com/[\w-]+/[\w-]+,", comment)
    assert values["method"].get("loss") == ("sigmoid_norm" if flat.get("beta") == 5 else (
        "sigmoid" if name.startswith("dpo") else None))  # fmt: skip


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pairs, and a model of each size that consists of its settings and a tokenizer."""
    from transformers import LlamaConfig

    folder = tmp_path_factory.mktemp("sizes")
    write_toy_pairs(folder / "train.parquet", 20)
    for size, (hidden, inner, layers, heads, keys, vocabulary, tied, _) in SHAPES.items():
        write_tiny_tokenizer(folder / size)
        LlamaConfig(
            architectures=["LlamaForCausalLM"], hidden_size=hidden, intermediate_size=inner,
            num_hidden_layers=layers, num_attention_heads=heads, num_key_value_heads=keys,
            vocab_size=vocabulary, tie_word_embeddings=tied,
        ).save_pretrained(folder / size)  # fmt: skip
    return folder


@pytest.mark.parametrize("name", PUBLISHED)
def test_plan_counts_it_at_its_real_shape(
    name: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFALIGN_CACHE", str(project / "cache"))
    run_file = project / f"{name}.yaml"
    run_file.write_text(recipe(name))
    size = name.partition("-")[2]
    overrides = [
        f"data.train={project / 'train.parquet'}", "data.test=null", "eval.every_steps=null",
        f"model.name={project / size}",
    ]  # fmt: skip
    config = load_run(run_file, overrides)
    target = Target("H100", 80_000_000_000, 8)
    plan = make_plan(config, run_file, overrides, target=target, mfu=0.4, reporter=Silence())
    assert plan.parameters == pytest.approx(SHAPES[size][-1], rel=0.01)
    per_epoch = -(-20 // config.batch.global_batch_size)
    assert plan.work.steps == per_epoch * config.optim.epochs
    assert {setting.recipe for setting in plan.settings if setting.source == "recipe"} == {name}
