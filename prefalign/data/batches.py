"""The global batches that a run's settings ask for: what its trainer takes, and what a plan counts."""

from __future__ import annotations

from prefalign.config import RunConfig
from prefalign.data.dataset import GlobalBatches, PairDataset, epoch_order
from prefalign.engine.bins import Limits
from prefalign.engine.tree import Ints


def global_batches(
    config: RunConfig, data: PairDataset, *, rank: int = 0, processes: int = 1
) -> GlobalBatches:
    """Returns the share of every global batch that one of the run's processes takes."""
    batch = config.batch
    pairs_at_once = None if batch.micro_batch_tokens else batch.pairs_at_once
    return GlobalBatches(
        data,
        global_batch_size=batch.global_batch_size,
        limits=Limits(pairs_at_once, batch.micro_batch_tokens),
        rank=rank,
        processes=processes,
        seed=config.optim.seed,
    )


def tokens_seen(batches: GlobalBatches, steps: int) -> int:
    """Returns the tokens of the first `steps` global batches, every epoch counted."""
    tokens = pair_tokens(batches.data)
    epochs, rest = divmod(steps, len(batches))
    order = epoch_order(batches.data.prompt_ids, seed=batches.seed, epoch=epochs)
    begun = order[: rest * batches.global_batch_size]
    return int(epochs * tokens.sum() + tokens[begun].sum())


def pair_tokens(data: PairDataset) -> Ints:
    """Returns (P,) tokens of both sides, each with its prompt."""
    chosen, rejected = data.sides
    tokens: Ints = 2 * data.prompts.lengths + chosen.lengths + rejected.lengths
    return tokens
