"""What a model says about each pair of a token store: log-probs of both completions, by id."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from prefalign.dataset import MicroBatch, PairDataset, collate
from prefalign.engine.logps import score_tokens, segment_logps
from prefalign.model import Precision, autocast

if TYPE_CHECKING:
    import polars as pl

    from prefalign.tokenise import TokenStore

Progress: TypeAlias = Callable[[int], None]


def score(
    model: Any,
    store: TokenStore,
    *,
    micro_batch_size: int,
    device: torch.device,
    precision: Precision = "fp32",
    progress: Progress | None = None,
) -> pl.DataFrame:
    """Returns one row per pair, in store order.

    Args:
        model: a causal language model of transformers, or a PEFT model around one, on `device`.
        store: the pairs.
        micro_batch_size: pairs per forward pass.
        device: where the model is.
        precision: bf16 runs under autocast.
        progress: called with the number of pairs done after each forward pass.

    Returns:
        Columns id; chosen_logps, rejected_logps (nats summed over completion tokens, float64);
        chosen_tokens, rejected_tokens.
    """
    score_tokens(model)
    data = PairDataset(store.table)
    places, logps = score_share(
        model, data, micro_batch_size=micro_batch_size, device=device, precision=precision,
        progress=progress,
    )  # fmt: skip
    return score_frame(data, logps[np.argsort(places)])


def score_frame(data: PairDataset, logps: NDArray[np.float64]) -> pl.DataFrame:
    """Returns (P, 2) log-probs of chosen and rejected as the frame that `score` returns."""
    import polars as pl

    chosen, rejected = (data.scored_tokens(side) for side in (0, 1))
    return pl.DataFrame(
        {
            "id": data.ids,
            "chosen_logps": logps[:, 0],
            "rejected_logps": logps[:, 1],
            "chosen_tokens": chosen,
            "rejected_tokens": rejected,
        }
    )


@torch.no_grad()
def score_share(
    model: Any,
    data: PairDataset,
    *,
    micro_batch_size: int,
    device: torch.device,
    precision: Precision,
    rank: int = 0,
    processes: int = 1,
    progress: Progress | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Returns the places (n,) of this process's share and their log-probs (n, 2) in nats.

    Pairs are batched by length and processes take batches in turn.
    """
    longest_first = np.argsort(-data.lengths, kind="stable")
    starts = range(rank * micro_batch_size, len(data), processes * micro_batch_size)
    batches = [longest_first[start : start + micro_batch_size] for start in starts]
    logps = [np.empty((0, 2))]
    training = model.training
    model.eval()
    for places in batches:
        batch = collate(data, MicroBatch(places, np.ones(len(places)), len(places), 1))
        tensors: Any = batch
        on_device: Any = {name: tensor.to(device) for name, tensor in tensors.items()}
        with autocast(device, precision):
            sums = segment_logps(model, on_device)
        logps.append(torch.stack((sums.chosen, sums.rejected), dim=1).double().cpu().numpy())
        if progress is not None:
            progress(len(places))
    model.train(training)
    return np.concatenate([np.empty(0, np.int64), *batches]), np.concatenate(logps)
