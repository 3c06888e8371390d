"""Activations that wait elsewhere give the same gradients, to the bit; weights stay where they are."""

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

from prefalign.data.dataset import PairDataset
from prefalign.engine.attention import attend_to_trees
from prefalign.engine.logps import base_of, score_tokens, segment_logps
from prefalign.engine.offload import OffloadedActivations
from prefalign.models.loading import autocast
from tests.prefalign.toys import token_table, whole_batch

CPU = torch.device("cpu")


def step(directory: Path, *, offload: bool, lora: bool, checkpointing: bool, precision: Any) -> Any:
    """Returns the log-probs, all gradients, and the bytes that were moved, from one CPU tensor to another."""
    torch.manual_seed(0)
    model: Any = AutoModelForCausalLM.from_pretrained(directory)
    if lora:
        model = get_peft_model(
            model, LoraConfig(r=4, target_modules="all-linear", lora_dropout=0.1)
        )
    if checkpointing:
        model.gradient_checkpointing_enable()
    model.train()
    score_tokens(model)
    attend_to_trees(base_of(model))
    context = OffloadedActivations(model, CPU if offload else torch.device("meta"), smallest=1)
    with context, autocast(CPU, precision):
        sums = segment_logps(model, whole_batch(PairDataset(token_table(6), layout="shared")))
        loss = -torch.nn.functional.logsigmoid(sums.chosen - sums.rejected).sum()
    loss.backward()
    return loss, [w.grad for w in model.parameters() if w.grad is not None], context.moved


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("lora", [False, True])
def test_gradients_are_the_same_to_the_bit(tiny_model: Path, lora: bool, precision: str) -> None:
    moved = []
    for checkpointing in (False, True):
        options: Any = {"lora": lora, "checkpointing": checkpointing, "precision": precision}
        loss, gradients, nothing = step(tiny_model, offload=False, **options)
        other, same, some = step(tiny_model, offload=True, **options)
        assert nothing == 0
        assert torch.equal(loss, other)
        assert len(gradients) > 10
        for mine, its in zip(same, gradients, strict=True):
            assert torch.equal(mine, its)
        moved.append(some)
    assert 0 < moved[1] < moved[0] / 3  # inputs of layers and what the head saves, not all between


def test_weights_and_their_copies_stay(tiny_model: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_model)
    weight = model.model.layers[0].mlp.up_proj.weight
    context = OffloadedActivations(model, CPU, smallest=1)
    for stays in (weight, weight.t(), weight.to(torch.bfloat16), weight[3:5]):
        assert context._pack(stays) is stays
    assert context.moved == 0
    hidden = torch.ones(1, 7, 32)
    assert context._pack(hidden) is not hidden
    assert context.moved == hidden.numel() * 4
    assert OffloadedActivations(model, CPU)._pack(hidden) is hidden  # too small to be worth it
