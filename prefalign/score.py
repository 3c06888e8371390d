"""What a model says about each pair of a token store: log-probs of both completions, by id."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from prefalign.data.dataset import PairDataset
from prefalign.engine.bins import Limits
from prefalign.engine.collate import MicroBatch, collate
from prefalign.engine.logps import segment_logps
from prefalign.engine.self_test import choose_layout
from prefalign.engine.tree import Ints
from prefalign.models.loading import Precision, autocast

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
    data = PairDataset(store.table)
    verdict = choose_layout(model, data, np.arange(len(data)), device=device, precision=precision)
    data.layout = verdict.layout
    places, logps = score_share(
        model, data, micro_batch_size=micro_batch_size, device=device, precision=precision,
        progress=progress,
    )  # fmt: skip
    return score_frame(data, logps[np.argsort(places)])


def score_frame(data: PairDataset, logps: NDArray[np.float64]) -> pl.DataFrame:
    """Returns (P, 2) log-probs of chosen and rejected as the frame that `score` returns.

    Further columns of the log-probs are those of the tails, and get columns behind the others.
    """
    import polars as pl

    chosen, rejected = (data.scored_tokens(side) for side in (0, 1))
    tails = dict(zip(("chosen_tail_logps", "rejected_tail_logps"), logps.T[2:], strict=False))
    return pl.DataFrame(
        {
            "id": data.ids,
            "chosen_logps": logps[:, 0],
            "rejected_logps": logps[:, 1],
            "chosen_tokens": chosen,
            "rejected_tokens": rejected,
            **tails,
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
    places: Ints | None = None,
    rank: int = 0,
    processes: int = 1,
    progress: Progress | None = None,
) -> tuple[Ints, NDArray[np.float64]]:
    """Returns the places (n,) of this process's share and their log-probs (n, 2) in nats.

    Of `data` with tails, log-probs are (n, 4): chosen, rejected and the tails of both.

    Every process runs as many forward passes, of about the same cost: a model that is divided among
    them runs only when all of them do.

    Args:
        model: ready for the layout of `data`.
        data: the pairs.
        micro_batch_size: most pairs per forward pass.
        device: where the model is.
        precision: of the forward pass.
        places: of the pairs to score; None for all.
        rank: of the process whose share is wanted.
        processes: that share the work.
        progress: called with the number of pairs done after each forward pass.
    """
    all_places = np.arange(len(data)) if places is None else places
    bins = data.bins(all_places, Limits(pairs=micro_batch_size), processes)
    share = bins[rank::processes]
    logps = [np.empty((0, 4 if data.tails else 2))]
    training = model.training
    model.eval()
    for own in share:
        pairs = own if len(own) else bins[0][:1]  # nothing left: take part
        batch = collate(data, MicroBatch.of(pairs))
        tensors: Any = batch
        on_device: Any = {name: tensor.to(device) for name, tensor in tensors.items()}
        with autocast(device, precision):
            sums = segment_logps(model, on_device)
        columns = (sums.chosen, sums.rejected, sums.chosen_tail, sums.rejected_tail)
        given = [column for column in columns if column is not None]
        logps.append(torch.stack(given, dim=1).double().cpu().numpy()[: len(own)])
        if progress is not None:
            progress(len(own))
    model.train(training)
    return np.concatenate([np.empty(0, np.int64), *share]), np.concatenate(logps)
