"""Reference log-probs: what the untouched model says about a set, computed once and kept.

The key holds everything that decides the numbers: the weights, the token ids and the precision. A
learning rate or an output directory is not among them, so a second run computes nothing.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import xxhash
from accelerate import PartialState
from accelerate.utils import broadcast_object_list, gather_object
from numpy.typing import NDArray

from prefalign.cache import cache_dir, once
from prefalign.dataset import PairDataset
from prefalign.model import Precision
from prefalign.score import Progress, score_frame, score_share

if TYPE_CHECKING:
    import polars as pl

    from prefalign.tokenise import TokenStore


def reference_scores(
    model: Any,
    store: TokenStore,
    *,
    digest: str,
    micro_batch_size: int,
    device: torch.device,
    precision: Precision,
    progress: Progress | None = None,
) -> pl.DataFrame:
    """Returns the scores (see `prefalign.score.score`) of `model` without its adapters.

    All processes call this together: the work is shared, every one returns the whole frame, and one
    writes it down.

    Args:
        model: the start of the training, on `device`; adapters are switched off meanwhile.
        store: the pairs.
        digest: `prefalign.model.weights_digest` of the weights without adapters.
        micro_batch_size: pairs per forward pass of one process.
        device: where the model is.
        precision: of the forward pass.
        progress: called with the number of pairs this process has done.
    """
    data = PairDataset(store.table)
    path = _path(digest, store.fingerprint, precision)
    known = [_load(path, data.ids) if PartialState().is_main_process else None]
    broadcast_object_list(known)
    if known[0] is not None:
        return known[0]
    with _without_adapters(model):
        share = score_share(
            model, data, micro_batch_size=micro_batch_size, device=device, precision=precision,
            rank=PartialState().process_index, processes=PartialState().num_processes,
            progress=progress,
        )  # fmt: skip
    frame = score_frame(data, in_store_order(gather_object([share])))
    if PartialState().is_main_process:
        once(path, frame.write_parquet)
    return frame


def in_store_order(
    shares: list[tuple[NDArray[np.int64], NDArray[np.float64]]],
) -> NDArray[np.float64]:
    """Returns the rows of all processes' shares (places, rows), sorted by place."""
    places, rows = (np.concatenate(parts) for parts in zip(*shares, strict=True))
    ordered: NDArray[np.float64] = rows[np.argsort(places)]
    return ordered


def _path(digest: str, fingerprint: str, precision: Precision) -> Path:
    key = xxhash.xxh3_128_hexdigest(f"{digest} {fingerprint} {precision}".encode())
    return cache_dir("reference") / f"{key}.parquet"


def _load(path: Path, ids: list[str]) -> pl.DataFrame | None:
    """Returns the kept frame, or None where there is none that fits `ids`; deletes a broken one."""
    import polars as pl

    if not path.exists():
        return None
    try:
        frame = pl.read_parquet(path)
    except pl.exceptions.PolarsError:
        path.unlink()
        return None
    columns = {"chosen_logps", "rejected_logps", "chosen_tokens", "rejected_tokens"}
    if columns <= set(frame.columns) and frame["id"].to_list() == ids:
        return frame
    path.unlink()
    return None


def _without_adapters(model: Any) -> AbstractContextManager[Any]:
    adapted = hasattr(model, "disable_adapter")
    return model.disable_adapter() if adapted else nullcontext()
