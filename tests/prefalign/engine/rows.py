"""One packed row's attention both ways: one kernel over all views, and each view on its own."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers.masking_utils import causal_mask_function, sliding_window_causal_mask_function

from prefalign.engine.attention import TreeMask, TreeViews, _by_view, _sdpa, _varlen
from prefalign.engine.tree import arrange

HEADS: list[dict[str, Any]] = [
    {},
    {"grouped": 2},
    {"grouped": 1, "window": 5},
    {"window": 3},
    {"width_of_values": 16},
    {"grouped": 2, "width_of_values": 16, "window": 4},
]


def both_ways(
    device: str,
    dtype: torch.dtype,
    *,
    grouped: int = 4,
    window: int | None = None,
    width_of_values: int = 32,
) -> list[list[Tensor]]:
    """Returns outputs and the gradients of queries, keys and values: of the kernel, and by view.

    Args:
        device: where they are computed.
        dtype: of all of them.
        grouped: heads of keys and values, for 4 of queries.
        window: keys that a query sees; None for all before it.
        width_of_values: of their heads; 32 for queries and keys.
    """
    rng = np.random.default_rng(0)
    prompt = rng.integers(0, 9, 11)
    sequences = [np.concatenate([prompt, rng.integers(0, 9, length)]) for length in (7, 1, 13)]
    rows = arrange([*sequences, rng.integers(0, 9, 6)], "shared")
    assert rows.views is not None
    assert len(rows.views.query_starts) > 3
    views = TreeViews(*(torch.from_numpy(np.asarray(array)).to(device) for array in rows.views))
    allowed = sliding_window_causal_mask_function(window) if window else causal_mask_function
    mask = TreeMask(views, allowed, window)
    torch.manual_seed(0)
    length = rows.input_ids.shape[1]
    shapes = [(4, 32), (grouped, 32), (grouped, width_of_values)]
    query, key, value = (
        torch.randn(1, heads, length, width).to(device, dtype).requires_grad_()
        for heads, width in shapes
    )
    slope = torch.randn(1, length, 4, width_of_values).to(device, dtype)

    def gradients(attend: Any) -> list[Tensor]:
        path = [tensor.index_select(2, views.keys) for tensor in (key, value)]
        output = attend(mask, query, *path)
        return [output.detach(), *torch.autograd.grad(output, (query, key, value), slope)]

    one_by_one = partial(_sdpa, scaling=0.2, dropout=0.0)
    return [
        gradients(partial(_varlen, scaling=0.2)),
        gradients(lambda mask, *tensors: _by_view(one_by_one, mask, *tensors)),
    ]
