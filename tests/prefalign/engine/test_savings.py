"""What saves memory or time changes no gradient by more than its rounding: checkpointing, bf16, compiling."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor
from torch._dynamo.testing import CompileCounterWithBackend
from transformers import LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM

from prefalign.data.dataset import PairDataset
from prefalign.engine.attention import attend_to_trees
from prefalign.engine.collate import MicroBatch, collate
from prefalign.engine.logps import Batch, score_tokens
from prefalign.engine.objective import share_of_loss
from prefalign.losses import LossParams, loss_of
from prefalign.losses.dpo import Dpo
from prefalign.losses.orpo import Orpo
from tests.prefalign.engine.steps import data_for, scored, short
from tests.prefalign.toys import token_table

SHAPE: dict[str, Any] = {
    "vocab_size": 500, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "initializer_range": 0.1,
}  # fmt: skip
METHODS: list[LossParams] = [Dpo(), Orpo()]


def model_of(*, window: bool = False, lora: bool = False, double: bool = False) -> Any:
    """Returns a small model in training mode, ready for the shared layout."""
    torch.manual_seed(0)
    if window:
        model: Any = MistralForCausalLM(MistralConfig(**SHAPE, sliding_window=5))
    else:
        model = LlamaForCausalLM(LlamaConfig(**SHAPE))
    model = model.double() if double else model
    if lora:
        model = get_peft_model(
            model, LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False)
        )
    score_tokens(model)
    attend_to_trees(model.get_base_model() if lora else model)
    return model.train()


def batches(params: LossParams, *, longest: int = 12) -> tuple[Batch, Batch]:
    """Returns two micro-batches of 6 pairs, of different lengths and with prompts that repeat."""
    table = token_table(12, longest=longest, choices=8)
    reference = -np.random.default_rng(0).uniform(1, 6, (12, 2))
    data: PairDataset = data_for(params, table, "shared", reference)
    tokens = int(data.nll_tokens.sum())
    first, second = (
        collate(data, MicroBatch(np.arange(start, start + 6), np.ones(6), 12, tokens))
        for start in (0, 6)
    )
    return first, second


def loss_on(model: Any, batch: Batch, params: LossParams) -> Tensor:
    return share_of_loss(loss_of(params).terms(scored(model, batch, params), params), batch)


def gradients(model: Any) -> Tensor:
    """Returns the flat gradient, and forgets it."""
    found = [weight.grad.flatten() for weight in model.parameters() if weight.requires_grad]
    model.zero_grad()
    return torch.cat(found).double()


@pytest.mark.parametrize("params", METHODS, ids=short)
@pytest.mark.parametrize("lora", [False, True])
@pytest.mark.parametrize("window", [False, True])
def test_checkpoints_are_recomputed_over_their_own_row(
    params: LossParams, lora: bool, window: bool
) -> None:
    model = model_of(window=window, lora=lora, double=True)
    first, second = batches(params)
    found = []
    for checkpointed in (False, True):
        if checkpointed:
            model.gradient_checkpointing_enable({"use_reentrant": False})
            model.enable_input_require_grads()
        # the first row is recomputed when the second has been read, and outside of any forward pass
        losses = [loss_on(model, batch, params) for batch in (first, second)]
        losses[0].backward()
        losses[1].backward()
        found.append((torch.stack(losses).detach(), gradients(model)))
    (plain, plain_gradient), (loss, gradient) = found
    torch.testing.assert_close(loss, plain, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(gradient, plain_gradient, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("params", METHODS, ids=short)
@pytest.mark.parametrize("weights", ["fp32", "bf16"])
@pytest.mark.parametrize("lora", [False, True])
def test_bf16_differs_by_its_rounding(params: LossParams, weights: str, lora: bool) -> None:
    """bf16 keeps 8 bits, so each rounding is off by up to 2^-9 of a number, and many average out.

    Sums of log-probs are float64 sums of fp32 ones: of the loss, only what hidden states and logits were
    rounded by is left. A gradient passes a dozen roundings of 2e-3, some of them systematic, on its way.
    """
    model = model_of(lora=lora)
    batch, _ = batches(params, longest=40)
    exact = loss_on(model, batch, params)
    exact.backward()
    truth = gradients(model)
    if weights == "bf16":
        model = model.bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=weights == "fp32"):
        logps = scored(model, batch, params)
    assert logps.chosen.dtype == torch.float64
    loss = share_of_loss(loss_of(params).terms(logps, params), batch)
    loss.backward()
    assert float(loss) == pytest.approx(float(exact), rel=2e-3)
    apart = (gradients(model) - truth).norm() / truth.norm()
    assert 1e-4 < apart < 5e-2  # it was rounded, and no more than that


@pytest.mark.parametrize("lora", [False, True])
def test_one_compiled_layer_serves_rows_of_every_length(lora: bool) -> None:
    params = Orpo()
    torch._dynamo.reset()
    model = model_of(lora=lora)
    data = data_for(params, token_table(40, longest=30, choices=20), "shared")
    rows = [
        collate(data, MicroBatch(np.arange(start, start + 5), np.ones(5), 40, 1))
        for start in range(0, 40, 5)
    ]
    assert len({(row["input_ids"].shape[1], len(row["query_starts"])) for row in rows}) == len(rows)

    def pass_over(row: Batch) -> tuple[Tensor, Tensor]:
        loss = loss_on(model, row, params)
        loss.backward()
        return loss.detach(), gradients(model)

    plain = [pass_over(row) for row in rows]
    counter = CompileCounterWithBackend("aot_eager")
    base = model.get_base_model() if lora else model
    for layer in base.model.layers:
        layer.compile(backend=counter, dynamic=True)
    graphs = []
    for row, (loss, gradient) in zip(rows, plain, strict=True):
        compiled_loss, compiled_gradient = pass_over(row)
        torch.testing.assert_close(compiled_loss, loss, rtol=1e-6, atol=1e-6)
        assert (compiled_gradient - gradient).norm() <= 1e-5 * gradient.norm()
        graphs.append(counter.frame_count)
    assert graphs[0] > 0
    assert graphs[-1] == graphs[1]  # lengths and views that it has not seen compile nothing
