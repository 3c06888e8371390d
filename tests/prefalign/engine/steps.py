"""An optimiser step's loss and gradient: as the engine computes them, and the plain way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from prefalign.data.dataset import GlobalBatches, PairDataset
from prefalign.engine.bins import Limits
from prefalign.engine.collate import MicroBatch, collate
from prefalign.engine.gradient_cache import GlobalLoss, ScoredPairs
from prefalign.engine.logps import Batch, segment_logps
from prefalign.engine.objective import pair_logps, share_of_loss
from prefalign.engine.tree import Layout
from prefalign.losses import LossParams, NllParams, PairLogps, loss_of


class Step:
    """A loss and its flat gradient, () and (W,)."""

    def __init__(self, model: Any, loss: Tensor) -> None:
        weights = [weight for weight in model.parameters() if weight.requires_grad]
        grads = torch.autograd.grad(loss, weights, materialize_grads=True)
        self.loss = loss.detach()
        self.gradient = torch.cat([grad.flatten() for grad in grads])

    def assert_close(self, other: Step, most: float) -> None:
        """Fails where the loss or the gradient is farther from another's than `most` of it."""
        assert abs(self.loss - other.loss) <= most * (1e-3 + abs(other.loss))
        apart = (self.gradient - other.gradient).norm()
        assert apart <= most * (1e-3 + other.gradient.norm()), (apart, other.gradient.norm())


def data_for(
    params: LossParams, table: pa.Table, layout: Layout, reference: Any = None, votes: Any = None
) -> PairDataset:
    """Returns the pairs with everything that the loss reads; see `PairDataset`."""
    nll_over = params.nll_over if isinstance(params, NllParams) else None
    tails = loss_of(params).facts.needs_tails
    return PairDataset(table, nll_over, reference, layout, tails=tails, label_probability=votes)


def global_batches(
    data: PairDataset, size: int, limits: Limits, processes: int
) -> Iterator[list[MicroBatch]]:
    """Yields all processes' micro-batches of each global batch."""
    shares = [
        GlobalBatches(data, global_batch_size=size, limits=limits, rank=rank, processes=processes)
        for rank in range(processes)
    ]
    for step in zip(*shares, strict=True):
        yield [micro for share in step for micro in share]


def scored(model: Any, batch: Batch, params: LossParams) -> PairLogps:
    """Returns what the loss may know of a micro-batch."""
    loss = loss_of(params)
    sums = segment_logps(model, batch, log_sum_sq=loss.facts.needs_log_sum_sq)
    return pair_logps(sums, batch, loss, params)


def engine_step(
    model: Any, data: PairDataset, micros: list[MicroBatch], params: LossParams
) -> Step:
    """Returns the sum over micro-batches, with a first pass where the loss needs one."""
    loss, batches = loss_of(params), [collate(data, micro) for micro in micros]
    if loss.facts.pair_separable:
        shares = [share_of_loss(loss.terms(scored(model, b, params), params), b) for b in batches]
        return Step(model, torch.stack(shares).sum())
    with torch.no_grad():
        parts = [ScoredPairs.of(batch, scored(model, batch, params)) for batch in batches]
    whole = GlobalLoss(parts, batches[0], loss, params)
    shares = [whole.share(batch, scored(model, batch, params)) for batch in batches]
    return Step(model, torch.stack(shares).sum())


def plain_step(model: Any, data: PairDataset, micros: list[MicroBatch], params: LossParams) -> Step:
    """Returns the same from logits of single sequences, all pairs in one call of the loss."""
    pairs = np.concatenate([micro.pairs[micro.weights > 0] for micro in micros])
    logps = PairLogps._make(
        None if column[0] is None else torch.stack(column)
        for column in zip(*(_plain_pair(model, data, int(pair)) for pair in pairs), strict=True)
    )
    terms = loss_of(params).terms(logps, params)
    loss = terms.pairs.mean()
    if terms.tokens is not None:
        loss = loss + terms.tokens.sum() / int(data.nll_tokens[pairs].sum())
    return Step(model, loss)


def _plain_pair(model: Any, data: PairDataset, pair: int) -> PairLogps:
    prompt = len(data.prompts[pair])
    first = max(prompt, 1) - 1  # of the predictions
    every = [_token_values(model, np.concatenate((data.prompts[pair], side[pair])))
             for side in data.sides]  # fmt: skip
    logps, sum_sq = zip(*((values[first:], sq[first:]) for values, sq in every), strict=True)
    shorter = min(map(len, logps))
    nll = every[0][0] if data.nll_over == "all" else logps[0]
    reference = [None] * 4 if data.reference is None else torch.tensor(data.reference[pair])
    return PairLogps(
        *(side.sum() for side in logps),
        *(torch.tensor(len(side)) for side in logps),
        *reference[:2],
        -nll.sum(),
        *(side[shorter:].sum() for side in logps),
        *(reference[2:] if data.tails else (None, None)),
        *(side.sum() for side in sum_sq),
        None if data.label_probability is None else torch.tensor(data.label_probability[pair]),
    )


def _token_values(model: Any, ids: Any) -> tuple[Tensor, Tensor]:
    """Returns (T - 1,) log-probs of all tokens but the first, and log sums of squared probabilities."""
    tokens = torch.from_numpy(ids.astype(np.int64))
    every = model(input_ids=tokens[None]).logits[0, :-1].log_softmax(-1)
    return every.gather(-1, tokens[1:, None]).squeeze(-1), (2 * every).logsumexp(-1)


def short(params: LossParams) -> str:
    """Returns the settings that are not the usual ones, as a test's id."""
    given = params.model_dump(exclude_defaults=True)
    return f"{params.name} {given}" if given else params.name
