"""The engine's log-probs and gradients against the plain way: all logits, one sequence at a time."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor
from transformers import AutoModelForCausalLM, Gemma2Config, Gemma2ForCausalLM

from prefalign.data.dataset import PairDataset
from prefalign.engine.attention import attend_to_trees
from prefalign.engine.head import scores_of_logits, token_scores
from prefalign.engine.logps import SegmentLogps, score_tokens, segment_logps
from prefalign.engine.objective import pair_logps, share_of_loss
from prefalign.engine.tree import Layout
from prefalign.losses import LOSSES, Loss, LossParams
from prefalign.losses.dpo import Dpo
from prefalign.losses.orpo import Orpo
from tests.prefalign.toys import token_table, whole_batch


def load_plain(directory: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float64)


def load_engine(directory: Path) -> Any:
    model = load_plain(directory)
    score_tokens(model)
    attend_to_trees(model)
    return model


@pytest.fixture(params=["shared", "packed", "padded"])
def layout(request: pytest.FixtureRequest) -> Layout:
    """Every test of this file holds in every layout."""
    return request.param


def naive_token_logps(model: Any, prompt: Any, completion: Any) -> Tensor:
    """Returns (T - 1,) log-probs of all tokens but the first."""
    ids = torch.tensor(np.concatenate((prompt, completion))).long()[None]
    logits = model(input_ids=ids).logits[0, :-1]
    return torch.log_softmax(logits, -1).gather(-1, ids[0, 1:, None]).squeeze(-1)


def naive_sums(model: Any, data: PairDataset, place: int) -> tuple[Tensor, Tensor, Tensor]:
    """Returns summed log-probs of chosen, rejected and prompt."""
    prompt = data.prompts[place]
    scored = max(len(prompt) - 1, 0)
    chosen, rejected = (naive_token_logps(model, prompt, side[place]) for side in data.sides)
    return chosen[scored:].sum(), rejected[scored:].sum(), chosen[:scored].sum()


@pytest.mark.parametrize("prompts", [0, 1])  # 0: some pairs have no prompt tokens
def test_sums_are_those_of_single_sequences(tiny_model: Path, layout: Layout, prompts: int) -> None:
    data = PairDataset(token_table(7, prompts=prompts, longest=4), "all", layout=layout)
    if prompts == 0:
        assert (data.prompts.lengths == 0).any()
    batch = whole_batch(data)
    sums = segment_logps(load_engine(tiny_model), batch)
    plain = load_plain(tiny_model)
    for row, place in enumerate(batch["pairs"].tolist()):
        want = torch.stack(naive_sums(plain, data, place))
        got = torch.stack((sums.chosen[row], sums.rejected[row], sums.prompt[row]))
        torch.testing.assert_close(got, want, rtol=1e-9, atol=1e-9)


def test_padding_and_company_change_nothing(tiny_model: Path, layout: Layout) -> None:
    data = PairDataset(token_table(6, longest=20), layout=layout)
    model = load_engine(tiny_model)
    together = segment_logps(model, whole_batch(data))
    places = whole_batch(data)["pairs"].tolist()
    alone = [segment_logps(model, *data[place]) for place in places]
    torch.testing.assert_close(together.chosen, torch.cat([one.chosen for one in alone]))
    torch.testing.assert_close(together.rejected, torch.cat([one.rejected for one in alone]))


@pytest.mark.parametrize("params", [Dpo(), Orpo(), Orpo(nll_over="completion")])
def test_gradients_are_those_of_full_logits(tiny_model: Path, layout: Layout, params: Any) -> None:
    loss = LOSSES.get(params.name)
    table = token_table(5, seed=1)
    reference = -np.random.default_rng(0).uniform(10, 40, (5, 2))
    data = PairDataset(table, getattr(params, "nll_over", None), reference, layout)
    batch = whole_batch(data)

    fast = load_engine(tiny_model)
    fast_loss = engine_loss(fast, batch, loss, params)
    fast_loss.backward()
    plain = load_plain(tiny_model)
    plain_loss = naive_loss(plain, data, batch, loss, params)
    plain_loss.backward()

    torch.testing.assert_close(fast_loss, plain_loss, rtol=1e-9, atol=1e-9)
    for mine, theirs in zip(fast.parameters(), plain.parameters(), strict=True):
        # a norm of transformers rounds to float32, here once and there once per sequence
        torch.testing.assert_close(mine.grad, theirs.grad, rtol=1e-6, atol=2e-8)


def engine_loss(model: Any, batch: Any, loss: Loss, params: LossParams) -> Tensor:
    sums = segment_logps(model, batch)
    return share_of_loss(loss.terms(pair_logps(sums, batch, loss, params), params), batch)


def naive_loss(model: Any, data: PairDataset, batch: Any, loss: Loss, params: LossParams) -> Tensor:
    """The mean over pairs plus the mean over NLL tokens, from sequences run one by one."""
    sums = [torch.stack(naive_sums(model, data, place)) for place in batch["pairs"].tolist()]
    logps = pair_logps(SegmentLogps(*torch.stack(sums).unbind(1)), batch, loss, params)
    terms = loss.terms(logps, params)
    total = terms.pairs.mean()
    if terms.tokens is not None:
        total = total + terms.tokens.sum() / batch["nll_tokens"].sum()
    return total


def test_a_shared_prefix_scores_the_first_completion_token(
    tiny_model: Path, layout: Layout
) -> None:
    # the branch point: the last prompt token predicts the first token of both completions
    data = PairDataset(token_table(1, longest=1), layout=layout)
    batch = whole_batch(data)
    assert batch["completion_tokens"].tolist() == [1, 1]
    sums = segment_logps(load_engine(tiny_model), batch)
    want = naive_sums(load_plain(tiny_model), data, 0)
    torch.testing.assert_close(sums.chosen[0], want[0])


@pytest.mark.parametrize("trainable_head", [True, False])
def test_the_head_s_gradient_in_float64(trainable_head: bool) -> None:
    torch.manual_seed(0)
    hidden = torch.randn(6, 4, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(9, 4, dtype=torch.float64, requires_grad=trainable_head)
    targets = torch.tensor([0, 8, 3, 3, 1, 7])

    def logps(*inputs: Tensor) -> Tensor:
        return token_scores(*inputs).logps

    assert torch.autograd.gradcheck(logps, (hidden, weight, targets))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_what_else_the_head_says(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    hidden = (3 * torch.randn(40, 4, dtype=dtype)).requires_grad_()
    weight = torch.randn(6, 4, dtype=dtype)
    targets = torch.randint(6, (40,))
    monkeypatch.setattr("prefalign.engine.head.LOGITS_BYTES", 7 * 6 * dtype.itemsize)
    found = token_scores(hidden, weight, targets, log_sum_sq=True)
    logits = hidden.detach().double() @ weight.double().T
    every = torch.distributions.Categorical(logits=logits)
    top1 = (logits.argmax(-1) == targets).to(dtype)
    assert 0 < top1.mean() < 1
    torch.testing.assert_close(found.logps, every.log_prob(targets).to(dtype))
    torch.testing.assert_close(found.top1, top1)
    torch.testing.assert_close(found.entropy, every.entropy().to(dtype), rtol=1e-5, atol=1e-5)
    want = every.probs.square().sum(-1).log()
    torch.testing.assert_close(found.log_sum_sq, want.to(dtype))
    given = (hidden @ weight.T, targets)
    torch.testing.assert_close(
        found, scores_of_logits(*given, log_sum_sq=True), atol=1e-5, rtol=1e-5
    )
    assert [value.requires_grad for value in found] == [True, False, False, False]


def test_the_head_says_only_what_costs_nothing_or_is_asked_for() -> None:
    hidden, weight = torch.randn(3, 4), torch.randn(6, 4)
    for found in (
        token_scores(hidden, weight, torch.tensor([0, 1, 5])),
        scores_of_logits(hidden @ weight.T, torch.tensor([0, 1, 5])),
    ):
        assert found.entropy is None
        assert found.log_sum_sq is None


@pytest.mark.parametrize("chunk", [1, 3, 4, 6, 7])
def test_the_head_in_several_chunks(monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    torch.manual_seed(0)
    hidden = torch.randn(7, 4, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(9, 4, dtype=torch.float64, requires_grad=True)
    targets = torch.randint(9, (7,))
    whole_result = token_scores(hidden, weight, targets).logps
    whole_grads = torch.autograd.grad(whole_result.square().sum(), (hidden, weight))
    monkeypatch.setattr("prefalign.engine.head.LOGITS_BYTES", chunk * 9 * 8)
    parts = token_scores(hidden, weight, targets).logps
    part_grads = [
        torch.autograd.grad(parts.square().sum(), (hidden, weight), retain_graph=True)
        for _ in range(2)
    ]
    torch.testing.assert_close(parts, whole_result)
    for grads in part_grads:  # what is kept for the backward pass may be asked for again
        torch.testing.assert_close(grads, whole_grads)


def test_a_head_that_is_asked_nothing_learns_nothing() -> None:
    hidden, weight = torch.randn(0, 4).requires_grad_(), torch.randn(9, 4).requires_grad_()
    token_scores(hidden, weight, torch.empty(0, dtype=torch.long)).logps.sum().backward()
    assert weight.grad is not None
    assert not weight.grad.any()


def test_adapters_score_and_learn_the_same_way(tiny_model: Path, layout: Layout) -> None:
    def adapted(model: Any) -> Any:
        torch.manual_seed(0)
        lora = LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False)
        return get_peft_model(model, lora).double()

    data = PairDataset(token_table(4), layout=layout)
    batch = whole_batch(data)
    fast, plain = adapted(load_engine(tiny_model)), adapted(load_plain(tiny_model))
    sums = segment_logps(fast, batch)
    want = torch.stack([naive_sums(plain, data, place)[0] for place in batch["pairs"].tolist()])
    torch.testing.assert_close(sums.chosen, want)
    sums.chosen.sum().backward()
    want.sum().backward()
    trained = [(p, q) for p, q in zip(fast.parameters(), plain.parameters(), strict=True)]
    assert sum(p.grad is not None for p, _ in trained) == 28  # two matrices on 14 linear layers
    for mine, theirs in trained:
        torch.testing.assert_close(mine.grad, theirs.grad, rtol=1e-6, atol=2e-8)


def test_a_capped_head_keeps_its_cap(layout: Layout) -> None:
    torch.manual_seed(0)
    config = Gemma2Config(
        vocab_size=512,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        final_logit_softcapping=0.5,  # low enough to bend every logit
    )
    plain = Gemma2ForCausalLM(config).double().eval()
    model = Gemma2ForCausalLM(config).double().eval()
    model.load_state_dict(plain.state_dict())
    score_tokens(model)
    attend_to_trees(model)
    data = PairDataset(token_table(3), layout=layout)
    batch = whole_batch(data)
    sums = segment_logps(model, batch)
    want = torch.stack([naive_sums(plain, data, place)[0] for place in batch["pairs"].tolist()])
    torch.testing.assert_close(sums.chosen, want)


def test_other_calls_still_get_logits(tiny_model: Path) -> None:
    ids = torch.tensor([[5, 6, 7]])
    logits = load_engine(tiny_model)(input_ids=ids).logits
    torch.testing.assert_close(logits, load_plain(tiny_model)(input_ids=ids).logits)


def test_adapters_that_were_put_on_the_head_later_count(tiny_model: Path, layout: Layout) -> None:
    model, plain = load_engine(tiny_model), load_plain(tiny_model)
    config = LoraConfig(r=4, target_modules=["lm_head"], init_lora_weights=False)
    adapted, reference = (get_peft_model(m, config).eval() for m in (model, plain))
    reference.load_state_dict(adapted.state_dict())
    data = PairDataset(token_table(3), layout=layout)
    sums = segment_logps(adapted, whole_batch(data))
    want = torch.stack([naive_sums(reference, data, place)[0] for place in range(3)])
    torch.testing.assert_close(sums.chosen, want)
    sums.chosen.sum().backward()
    for name, weight in adapted.named_parameters():
        assert not weight.requires_grad or weight.grad is not None, name
