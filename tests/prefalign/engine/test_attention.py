"""What the varlen kernel is asked for, against what it is documented to answer; test_gpu.py runs it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.attention import varlen
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.masking_utils import (
    causal_mask_function,
    chunked_causal_mask_function,
    sliding_window_causal_mask_function,
)

from prefalign.data.dataset import PairDataset
from prefalign.engine.attention import _window, attend_to_trees
from prefalign.engine.logps import score_tokens, target_logps
from tests.prefalign.engine.rows import HEADS, both_ways
from tests.prefalign.toys import token_table, whole_batch


def varlen_of_2_11(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    cu_seq_q: Tensor,
    cu_seq_k: Tensor,
    max_q: int,
    max_k: int,
    *,
    scale: float | None = None,
    window_size: tuple[int, int] = (-1, -1),
) -> Tensor:
    """`torch.nn.attention.varlen.varlen_attn` as PyTorch's documentation has it, on any device."""
    assert query.shape[1:] == key.shape[1:] == value.shape[1:]
    assert (max_q, max_k) == (int(cu_seq_q.diff().max()), int(cu_seq_k.diff().max()))
    back, ahead = window_size
    outputs = []
    for index in range(len(cu_seq_q) - 1):
        q = query[cu_seq_q[index] : cu_seq_q[index + 1]].transpose(0, 1)
        k, v = (
            tensor[cu_seq_k[index] : cu_seq_k[index + 1]].transpose(0, 1) for tensor in (key, value)
        )
        behind = torch.arange(k.shape[1] - q.shape[1], k.shape[1])[:, None] - torch.arange(
            k.shape[1]
        )
        seen = behind >= -ahead
        if back >= 0:
            seen &= behind <= back
        scores = (q @ k.mT * scale).masked_fill(~seen, -torch.inf)
        outputs.append((scores.softmax(-1) @ v).transpose(0, 1))
    return torch.cat(outputs)


def varlen_of_2_13(*args: Any, enable_gqa: bool = False, **options: Any) -> Tensor:
    query, key, value, *rest = args
    groups = query.shape[1] // key.shape[1]
    assert enable_gqa == (groups > 1)
    key, value = (tensor.repeat_interleave(groups, 1) for tensor in (key, value))
    return varlen_of_2_11(query, key, value, *rest, **options)


@pytest.mark.parametrize("kernel", [varlen_of_2_11, varlen_of_2_13])
@pytest.mark.parametrize("heads", HEADS, ids=str)
def test_one_kernel_over_all_views_is_each_view_on_its_own(
    monkeypatch: pytest.MonkeyPatch, kernel: Any, heads: dict[str, Any]
) -> None:
    monkeypatch.setattr(varlen, "varlen_attn", kernel)
    of_kernel, by_view = both_ways("cpu", torch.float64, **heads)
    for mine, its in zip(of_kernel, by_view, strict=True):
        torch.testing.assert_close(mine, its)


@pytest.mark.parametrize("size", [1, 2, 5, 64])
def test_a_window_is_told_from_chunks_of_its_size(size: int) -> None:
    sliding = sliding_window_causal_mask_function(size)
    assert _window(sliding, size) == size
    assert _window(sliding, size + 1) == 0
    assert _window(causal_mask_function, None) is None
    assert _window(causal_mask_function, size) is None
    chunked = chunked_causal_mask_function(size, torch.zeros(1, dtype=torch.int64))
    assert _window(chunked, size) == (1 if size == 1 else 0)  # a token alone is both


class Gathered(TorchDispatchMode):
    """Notes the precision in which keys and values are gathered."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[torch.dtype] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        if func is torch.ops.aten.index_select.default:
            self.found.append(output.dtype)
        return output


def test_a_kernel_is_given_what_autocast_multiplies() -> None:
    """Weights in fp32 make fp32 queries and keys under autocast, which the varlen kernel would not take."""
    torch.manual_seed(0)
    model: Any = LlamaForCausalLM(
        LlamaConfig(vocab_size=500, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
                    num_attention_heads=4, num_key_value_heads=2)
    )  # fmt: skip
    score_tokens(model)
    attend_to_trees(model)
    batch = whole_batch(PairDataset(token_table(4), layout="shared"))
    with Gathered() as gathered, torch.autocast("cpu", dtype=torch.bfloat16):
        target_logps(model, batch)
    assert gathered.found == 4 * [torch.bfloat16]  # keys and values of two layers
