"""The floor of a step on this machine: the products and the attention that any exact engine computes.

Each product runs alone, into memory that is there already, over the fewest tokens: every prompt once and
the head at scored positions only. What a model does besides (norms, rotations, activations) is not in it,
so no engine reaches it with a model's code as it is.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from benchmarks.training.our_sides import InOrder
from benchmarks.training.work import Work
from prefalign.data.dataset import PairDataset
from prefalign.engine.bins import Limits
from prefalign.engine.logps import Batch

_TRIES = 3


def floor_seconds(work: Work) -> float:
    """Returns the process CPU time of forward and backward over all pairs of DPO, all weights trained."""
    data = PairDataset(work.table, layout="shared")
    batches = InOrder(data, global_batch_size=work.batch, limits=Limits())
    return sum(
        _of_batch(work.model, batch) for share in batches for batch in data.__getitems__(share)
    )


def _of_batch(model: Any, batch: Batch) -> float:
    head = model.get_output_embeddings()
    body = Counter(
        (weight.in_features, weight.out_features)
        for weight in model.modules()
        if isinstance(weight, nn.Linear) and weight is not head
    )
    tokens, scored = batch["input_ids"].numel(), len(batch["positions"])
    spent: float = sum(count * _linear(tokens, *sizes) for sizes, count in body.items())
    spent += _linear(scored, head.in_features, head.out_features)
    views = zip(batch["query_starts"].diff(), batch["key_starts"].diff(), strict=True)
    config = model.config
    attention = sum(_attention(config, int(queries), int(keys)) for queries, keys in views)
    layers: int = config.num_hidden_layers
    return spent + layers * attention


def _linear(rows: int, inputs: int, outputs: int) -> float:
    """Returns seconds of x @ w.T and of both its gradients."""
    x, weight, y = (
        torch.randn(rows, inputs),
        torch.randn(outputs, inputs),
        torch.randn(rows, outputs),
    )
    room = torch.empty_like(y), torch.empty_like(x), torch.empty_like(weight)
    products = ((x, weight.T), (y, weight), (y.T, x))
    return sum(
        _fastest(partial(torch.mm, left, right, out=out))
        for (left, right), out in zip(products, room, strict=True)
    )


def _attention(config: Any, queries: int, keys: int) -> float:
    """Returns seconds of PyTorch's kernel for the last `queries` of a sequence of `keys`, both ways."""
    width = config.hidden_size // config.num_attention_heads
    heads, groups = config.num_attention_heads, config.num_key_value_heads
    query = torch.randn(1, heads, queries, width, requires_grad=True)
    key, value = (torch.randn(1, groups, keys, width, requires_grad=True) for _ in range(2))
    allowed = None
    if queries < keys:
        allowed = torch.ones(queries, keys, dtype=torch.bool).tril(keys - queries)

    def attend() -> Tensor:
        return scaled_dot_product_attention(
            query, key, value, allowed, is_causal=allowed is None, enable_gqa=heads != groups
        )

    output = attend()
    slope = torch.randn_like(output)
    return _fastest(attend) + _fastest(
        lambda: torch.autograd.grad(output, (query, key, value), slope, retain_graph=True)
    )


def _fastest(work: Callable[[], Any]) -> float:
    spent = []
    for _ in range(_TRIES + 1):  # the first warms up
        started = time.process_time()
        work()
        spent.append(time.process_time() - started)
    return min(spent)
