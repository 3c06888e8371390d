"""What `accelerate_preferences` leaves alone, and that it then changes nothing."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from peft import PromptTuningConfig, TaskType
from transformers import (
    BloomConfig,
    BloomForCausalLM,
    Lfm2Config,
    Lfm2ForCausalLM,
    MixtralConfig,
    MixtralForCausalLM,
)
from trl import DPOTrainer
from trl.trainer.dpo_trainer import DataCollatorForPreference

from prefalign import accelerate_preferences
from prefdata.errors import ConfigError, PrefError
from tests.prefalign.plugin.training import Make, trained

SIZES = {
    "vocab_size": 512, "hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "num_local_experts": 2, "pad_token_id": 0,
}  # fmt: skip


class OwnCollator(DataCollatorForPreference):
    """Someone's own."""


def refused(trainer: DPOTrainer, match: str) -> None:
    before = state(trainer)
    with pytest.raises(ConfigError, match=match):
        accelerate_preferences(trainer)
    assert state(trainer) == before


def state(trainer: DPOTrainer) -> list[Any]:
    """What could have been changed."""
    models = [model for model in (trainer.model, trainer.ref_model) if model is not None]
    forwards = [vars(model).get("forward") for model in models]
    attention = [model.config._attn_implementation for model in models]
    return [
        trainer.data_collator,
        trainer._compute_loss,
        *forwards,
        *attention,
        vars(trainer).keys(),
    ]


@pytest.mark.parametrize(
    ("owner", "setting", "value", "match"),
    [
        ("args", "use_liger_kernel", True, "use_liger_kernel=True"),
        ("args", "torch_compile", True, "torch_compile=True"),
        ("", "is_fsdp_enabled", True, "FSDP"),
        ("", "_is_vlm", True, "vision"),
        ("accelerator.dataloader_config", "dispatch_batches", True, "dispatch_batches"),
    ],
)
def test_settings(make: Make, owner: str, setting: str, value: Any, match: str) -> None:
    trainer = make()
    target: Any = trainer
    for name in filter(None, owner.split(".")):
        target = getattr(target, name)
    setattr(target, setting, value)
    refused(trainer, match)


def test_all_problems_at_once(make: Make) -> None:
    trainer = make(parts={"data_collator": OwnCollator(pad_token_id=0)})
    trainer.args.torch_compile = True
    with pytest.raises(ConfigError) as caught:
        accelerate_preferences(trainer)
    assert len(caught.value.problems) == 2
    assert "OwnCollator" in caught.value.problems[1]


def test_balanced_experts(make: Make) -> None:
    refused(of(make, mixtral, router_aux_loss_coef=0.1), r"router_aux_loss_coef=0\.1")


def of(make: Make, model: Callable[[], Any], **settings: Any) -> DPOTrainer:
    """Returns a trainer of a model that has no directory, with another one as its reference."""
    tokenizer = make().processing_class
    parts = {"ref_model": model(), "processing_class": tokenizer}
    return make(model=model(), parts=parts, **settings)


def mixtral() -> MixtralForCausalLM:
    torch.manual_seed(0)
    return MixtralForCausalLM(MixtralConfig(**SIZES))


def test_prompt_learning(make: Make) -> None:
    config = PromptTuningConfig(task_type=TaskType.CAUSAL_LM, num_virtual_tokens=4)
    refused(make(parts={"peft_config": config}), "virtual tokens")


def test_other_trainers() -> None:
    with pytest.raises(PrefError, match=r"this is a builtins\.object"):
        accelerate_preferences(object())


def test_another_trl(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = make()
    monkeypatch.setattr("trl.__version__", "1.17.0")
    with pytest.raises(PrefError, match=r"knows TRL 1\.16\.x, and this is 1\.17\.0"):
        accelerate_preferences(trainer)


def bloom() -> BloomForCausalLM:
    """Has attention code of its own."""
    torch.manual_seed(0)
    sizes = {"vocab_size": 512, "hidden_size": 32, "n_layer": 2, "n_head": 4, "pad_token_id": 0}
    return BloomForCausalLM(BloomConfig(**sizes))


def lfm2() -> Lfm2ForCausalLM:
    """Has convolutions beside attention, which look across the borders in a row."""
    torch.manual_seed(0)
    model = Lfm2ForCausalLM(Lfm2Config(**SIZES, layer_types=["conv", "full_attention"]))
    with torch.no_grad():
        for weight in model.parameters():
            weight += 0.1 * torch.randn_like(weight)
    return model


@pytest.mark.parametrize(
    ("model", "reason"),
    [(bloom, "BloomForCausalLM has attention code of its own"), (lfm2, "log-probs differ by")],
)
def test_a_model_that_cannot_read_packed_rows_is_left_to_trl(
    make: Make, model: Callable[[], Any], reason: str
) -> None:
    trainer = of(make, model)
    before = state(trainer)
    with pytest.warns(UserWarning, match=f"computed padded, not shared: {reason}"):
        accelerate_preferences(trainer)
    assert state(trainer) == before
    assert trained(trainer).logs == trained(of(make, model)).logs


def test_a_second_call_changes_nothing(make: Make) -> None:
    trainer = make(max_steps=8)
    assert accelerate_preferences(trainer) is trainer
    before = state(trainer)
    assert accelerate_preferences(trainer) is trainer
    assert state(trainer) == before
