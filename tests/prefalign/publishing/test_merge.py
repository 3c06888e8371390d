"""`prefalign merge`: the same log-probs from one model, and what is refused."""

import json
import resource
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

from prefalign.config import RunConfig
from prefalign.progress import Silence
from prefalign.publishing.merge import merge
from prefalign.run import train
from prefdata.errors import InputError
from tests.command import prefalign
from tests.prefalign.toys import write_toy_pairs
from tests.tiny import write_tiny_model

TOKENS = torch.arange(3, 60)[None]


def log_probs(model: Any) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(input_ids=TOKENS).logits.log_softmax(dim=-1)


def run(directory: Path, base: Path, lora: dict[str, Any] | None) -> Path:
    settings = {
        "data": {"train": str(write_toy_pairs(directory / "train.parquet", 8))},
        "model": {"name": str(base), "lora": lora},
        "method": {"name": "orpo"},
        "optim": {"learning_rate": 0.05, "warmup_ratio": 0.0, "max_steps": 3},
        "batch": {"global_batch_size": 8, "micro_batch_size": 8},
        "hardware": {"device": "cpu", "precision": "fp32"},
        "output": {"dir": str(directory / "run"), "save_every_steps": 2},
    }
    train(RunConfig.model_validate(settings), Silence())
    return directory / "run"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("base") / "model"
    write_tiny_model(directory, seed=3)
    (directory / "generation_config.json").write_text(json.dumps({"temperature": 0.3}))
    return directory


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, base: Path) -> Path:
    """A run that trained adapters, with a checkpoint."""
    with pytest.MonkeyPatch.context() as patch:
        directory = tmp_path_factory.mktemp("lora")
        patch.setenv("PREFALIGN_CACHE", str(directory / "cache"))
        return run(directory, base, {"r": 4})


def with_adapters(base: Path, adapters: Path) -> Any:
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    return PeftModel.from_pretrained(model, adapters)


def test_one_model_says_what_base_and_adapters_say(
    finished: Path, base: Path, tmp_path: Path
) -> None:
    ran = prefalign("merge", finished, "-o", "merged", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == "merged\n"
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged")
    want = log_probs(with_adapters(base, finished / "model"))
    torch.testing.assert_close(log_probs(merged), want, rtol=0, atol=1e-5)
    untouched = log_probs(AutoModelForCausalLM.from_pretrained(base))
    assert (untouched - want).abs().max() > 0.1  # the adapters do something
    assert merged.generation_config.temperature == 0.3
    assert list((tmp_path / "merged").glob("*.safetensors"))
    assert not list((tmp_path / "merged").glob("adapter*"))
    mine, its = (AutoTokenizer.from_pretrained(place) for place in (tmp_path / "merged", base))
    assert mine.chat_template == its.chat_template
    assert mine.get_vocab() == its.get_vocab()
    card = (tmp_path / "merged" / "README.md").read_text()
    assert "library_name: transformers" in card
    assert "LoRA, merged" in card


def test_a_checkpoint_of_a_run(finished: Path, base: Path, tmp_path: Path) -> None:
    difference = merge(finished / "checkpoint-2", tmp_path / "merged", stored="fp32")
    assert difference < 1e-5
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged")
    want = log_probs(with_adapters(base, finished / "checkpoint-2"))
    torch.testing.assert_close(log_probs(merged), want, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("stored", "limit"), [("base", 0.05), ("bf16", 0.05), ("fp32", 1e-5)])
def test_dora_in_a_directory_of_its_own(
    base: Path, tmp_path: Path, stored: Any, limit: float
) -> None:
    half = AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16)
    half.save_pretrained(tmp_path / "half")
    AutoTokenizer.from_pretrained(base).save_pretrained(tmp_path / "half")
    torch.manual_seed(0)
    settings = LoraConfig(r=4, use_dora=True, target_modules="all-linear", task_type="CAUSAL_LM")
    source = AutoModelForCausalLM.from_pretrained(tmp_path / "half", dtype=torch.float32)
    adapted = get_peft_model(source, settings)
    for name, weight in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.1)
    adapted.save_pretrained(tmp_path / "dora")
    difference = merge(tmp_path / "dora", tmp_path / "merged", stored=stored)
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "merged", dtype="auto")
    assert merged.dtype == (torch.float32 if stored == "fp32" else torch.bfloat16)
    worst = (log_probs(merged.float()) - log_probs(adapted)).abs().max()
    assert worst < limit
    assert 0 < difference < limit


def refusal(source: Path, output: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        merge(source, output)
    return caught.value


def test_a_base_that_has_changed(finished: Path, base: Path, tmp_path: Path) -> None:
    kept = base.with_name("kept")
    base.rename(kept)
    try:
        write_tiny_model(base, seed=4)
        error = refusal(finished, tmp_path / "merged")
        shutil.rmtree(base)
        gone = refusal(finished, tmp_path / "merged")
    finally:
        kept.rename(base)
    assert "its weights have changed since the adapters were trained" in error.message
    assert gone.message.startswith(f"cannot load the model {base}")
    assert not list(tmp_path.iterdir())


def test_what_holds_no_adapters(finished: Path, base: Path, tmp_path: Path) -> None:
    assert refusal(tmp_path / "x", tmp_path / "o").message.endswith("x: no such directory")
    assert "holds no run.json and no adapter_config.json" in refusal(base, tmp_path / "o").message
    unfinished = tmp_path / "unfinished"
    shutil.copytree(finished, unfinished, ignore=shutil.ignore_patterns("model", "run.json"))
    error = refusal(unfinished, tmp_path / "o")
    assert "has not come to its end" in error.message
    assert str(unfinished / "checkpoint-3") in str(error.hint)
    record = json.loads((finished / "run.json").read_text())
    record["config"]["model"]["lora"] = None
    (unfinished / "run.json").write_text(json.dumps(record))
    assert "all weights were trained" in refusal(unfinished, tmp_path / "o").message


def test_an_output_that_exists(finished: Path, tmp_path: Path) -> None:
    (tmp_path / "merged").mkdir()
    (tmp_path / "merged" / "mine").write_text("mine")
    assert refusal(finished, tmp_path / "merged").message.endswith("exists and is not empty")
    assert (tmp_path / "merged" / "mine").read_text() == "mine"


def test_a_disk_that_takes_no_more(finished: Path, tmp_path: Path) -> None:
    """A limit on the size of files refuses what is written past it, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        error = refusal(finished, tmp_path / "merged")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert error.message.startswith(f"{tmp_path / 'merged'}: cannot be written: ")
    assert not list(tmp_path.iterdir())
