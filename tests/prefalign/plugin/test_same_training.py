"""TRL's DPOTrainer trains the same with and without `accelerate_preferences`."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM
from trl import DPOTrainer

from prefalign import accelerate_preferences
from prefalign.plugin.collator import PackingCollator
from prefalign.trl.dpo import LOSSES_OF_TRL
from tests.prefalign.plugin.training import Make, assert_same, both_ways, toy_set, trained
from tests.readme import README

LORA = {"peft_config": LoraConfig(r=4, target_modules="all-linear")}
WITHOUT_CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
NOISY = ("exo_pair", "robust", "aot", "aot_unpaired")


def test_every_loss_of_trl_is_tried() -> None:
    code = Path(DPOTrainer._compute_loss.__code__.co_filename).read_text(encoding="utf-8")
    assert all(f'loss_type == "{name}"' in code for name in LOSSES_OF_TRL)
    assert code.count("loss_type == ") == len(LOSSES_OF_TRL)


@pytest.mark.parametrize("loss", sorted(LOSSES_OF_TRL))
def test_every_loss(make: Make, loss: str) -> None:
    noise = 0.1 if loss in NOISY else 0.0
    trainer, found, plain = both_ways(make, loss_type=loss, label_smoothing=noise)
    assert isinstance(trainer.data_collator, PackingCollator)
    assert trainer.data_collator.layout == "shared"
    assert_same(found, plain)


@pytest.mark.parametrize(
    "settings",
    [
        {"loss_type": ["sigmoid", "bco_pair", "sft"], "loss_weights": [0.8, 0.2, 1.0]},
        {"f_divergence_type": "js_divergence"},
        {"f_divergence_type": "alpha_divergence", "f_alpha_divergence_coef": 0.3},
        {"ld_alpha": 0.4},
        {"use_weighting": True},
        {"max_length": 24},
        {"max_length": 24, "truncation_mode": "keep_end"},
        {"gradient_accumulation_steps": 2},
        {"gradient_checkpointing": False},
        {"sync_ref_model": True, "ref_model_sync_steps": 1, "max_steps": 9},
        {"precompute_ref_log_probs": True},
        {"pad_to_multiple_of": 8},
    ],
    ids=str,
)
def test_every_setting(make: Make, settings: dict[str, Any]) -> None:
    _, found, plain = both_ways(make, **settings)
    assert_same(found, plain)


@pytest.mark.parametrize(
    "settings",
    [{}, {"ld_alpha": 0.4}, {"precompute_ref_log_probs": True}, {"max_steps": 9}],
    ids=str,
)
def test_adapters(make: Make, settings: dict[str, Any]) -> None:
    _, found, plain = both_ways(make, parts=LORA, **settings)
    assert_same(found, plain)


def test_an_adapter_that_was_trained_before(make: Make, tiny_model: Path) -> None:
    def begun() -> Any:
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_pretrained(tiny_model)
        config = LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False)
        return get_peft_model(model, config)

    plain = trained(make(model=begun()))
    assert any(".ref." in name for name in plain.weights)
    assert_same(trained(accelerate_preferences(make(model=begun()))), plain)


def test_a_reference_of_its_own(make: Make, tiny_model: Path) -> None:
    def parts() -> dict[str, Any]:
        reference = AutoModelForCausalLM.from_pretrained(tiny_model)
        reference.model.norm.weight.data *= 1.5
        return {"ref_model": reference}

    plain = trained(make(parts=parts()))
    assert abs(plain.logs[0]["rewards/margins"]) > 1e-3
    assert_same(trained(accelerate_preferences(make(parts=parts()))), plain)


def test_a_reference_in_fewer_bits(make: Make, tiny_model: Path) -> None:
    reference = AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.bfloat16)
    trainer = accelerate_preferences(make(parts={"ref_model": reference}))
    assert isinstance(trainer.data_collator, PackingCollator)


def test_a_stream_of_pairs(make: Make) -> None:
    parts = {"train_dataset": toy_set(8).to_iterable_dataset(), "eval_dataset": None}
    _, found, plain = both_ways(make, parts=parts, eval_strategy="no")
    assert_same(found, plain)


def test_the_reference_is_computed_once_for_several_epochs(make: Make) -> None:
    settings = {"max_steps": -1, "num_train_epochs": 3, "eval_strategy": "epoch"}
    trainer, found, plain = both_ways(make, **settings)
    assert "ref_chosen_logps" in trainer.train_dataset.column_names
    assert "ref_chosen_logps" in trainer.eval_dataset.column_names
    assert_same(found, plain)


def test_several_sets_to_evaluate_on(make: Make) -> None:
    parts = {"eval_dataset": {"one": toy_set(3, seed=1), "two": toy_set(3, seed=2)}}
    _, found, plain = both_ways(make, parts=parts, max_steps=8, eval_steps=4)
    assert_same(found, plain)


@pytest.mark.parametrize("on", ["cpu", pytest.param("cuda", marks=[pytest.mark.gpu, WITHOUT_CUDA])])
def test_bfloat16(make: Make, on: str) -> None:
    """Both ways round, each in its own order: two digits are what they have in common."""
    trainer, found, plain = both_ways(make, bf16=True, learning_rate=1e-3, use_cpu=on == "cpu")
    assert trainer.model.device.type == on
    assert trainer.data_collator.layout == "shared"
    assert [list(line) for line in found.logs] == [list(line) for line in plain.logs]
    for mine, its in zip(found.logs, plain.logs, strict=True):
        assert mine == pytest.approx(its, rel=0.02, abs=0.02)


def test_sets_given_later_still_meet_the_reference(make: Make) -> None:
    settings = {"max_steps": 8}
    with_it, without = accelerate_preferences(make(**settings)), make(**settings)
    later = toy_set(3, seed=2)
    for trainer in (with_it, without):
        trainer.train()
    found, want = (trainer.evaluate(later) for trainer in (with_it, without))
    assert found["eval_rewards/margins"] != 0
    assert found["eval_loss"] == pytest.approx(want["eval_loss"], rel=1e-4)


def test_readme_s_example_runs(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TQDM_DISABLE", "1")
    blocks = re.findall(r"(?s)```python\n(.*?)```", README.read_text(encoding="utf-8"))
    (example,) = (block for block in blocks if "accelerate_preferences" in block)
    names: dict[str, Any] = {"dataset": toy_set(4)}
    here = {"HuggingFaceTB/SmolLM2-135M-Instruct": str(tiny_model), '"out"': '"out", use_cpu=True'}
    for there, value in here.items():
        assert there in example
        example = example.replace(there, value)
    exec(example, names)
    assert names["trainer"].state.global_step == 3
    assert isinstance(names["trainer"].data_collator, PackingCollator)


@pytest.mark.slow
def test_two_processes(tiny_model: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node",
               "2", "-m", "tests.prefalign.plugin.two_processes", str(tiny_model),
               str(tmp_path / "logs.json")]  # fmt: skip
    environment = os.environ | {"TQDM_DISABLE": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run(command, check=True, timeout=240, env=environment)
    logs = json.loads((tmp_path / "logs.json").read_text())
    for mine, its in zip(logs["called"], logs["plain"], strict=True):
        assert mine == pytest.approx(its, rel=1e-4, abs=1e-5)


def test_predictions_still_get_their_logits(make: Make) -> None:
    with_it, without = accelerate_preferences(make()), make()
    found, want = (trainer.predict(trainer.eval_dataset) for trainer in (with_it, without))
    assert found.predictions == pytest.approx(want.predictions, rel=1e-4, abs=1e-5)
    assert found.metrics["test_loss"] == pytest.approx(want.metrics["test_loss"], rel=1e-4)


def test_the_model_writes_and_is_saved_as_ever(make: Make, tmp_path: Path) -> None:
    trainer = accelerate_preferences(make())
    trainer.train()
    trainer.save_model(str(tmp_path / "saved"))
    assert "prefalign" not in (tmp_path / "saved/config.json").read_text()
    saved = AutoModelForCausalLM.from_pretrained(tmp_path / "saved")
    prompt = torch.arange(3, 9)[None]
    found, want = (
        model.generate(prompt, max_new_tokens=8, do_sample=False)
        for model in (trainer.model, saved)
    )
    assert found.tolist() == want.tolist()


def test_a_run_goes_on_from_a_checkpoint(make: Make, tmp_path: Path) -> None:
    settings = {"save_strategy": "steps", "save_steps": 2, "max_steps": 4}
    whole = trained(accelerate_preferences(make(**settings)))
    trainer = accelerate_preferences(make(**settings))
    trainer.train(resume_from_checkpoint=str(tmp_path / "out/checkpoint-2"))
    for name, weight in trainer.model.named_parameters():
        torch.testing.assert_close(weight, whole.weights[name])
