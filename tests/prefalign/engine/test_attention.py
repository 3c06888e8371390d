"""What the varlen kernel is asked for, against what it is documented to answer; test_gpu.py runs it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.attention import varlen

from tests.prefalign.engine.rows import HEADS, both_ways


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
