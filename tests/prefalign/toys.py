"""Small sets of pairs and the tensors made of them."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from prefalign.data.dataset import PairDataset
from prefalign.engine.collate import MicroBatch, collate
from prefdata.frame import pairs_table, to_polars
from prefdata.types import Message, Origin, Pair

WORDS = ("sea", "bread", "poem", "wave", "flour", "fall")


def write_toy_pairs(path: Path, count: int, *, first: int = 0) -> Path:
    """Writes pairs whose chosen side begins with `Sure` and whose rejected side refuses."""
    rng = random.Random(first)

    def words(most: int) -> str:
        return " ".join(rng.choice(WORDS) for _ in range(rng.randint(2, most)))

    pairs = [
        Pair(
            prompt=(Message("user", f"Question {number}: {words(12)}?"),),
            chosen=(Message("assistant", f"Sure: {words(15)}"),),
            rejected=(Message("assistant", f"I'm sorry, I can't help with {words(15)}"),),
            origin=Origin("toy", "toy.jsonl", number + 1),
        )
        for number in range(first, first + count)
    ]
    to_polars(pairs_table(pairs)).write_parquet(path)
    return path


def token_table(
    count: int, *, seed: int = 0, longest: int = 12, prompts: int = 1, choices: int | None = None
) -> pa.Table:
    """Returns random token ids (3 to 499) in the columns of a token store.

    Args:
        count: pairs.
        seed: of the ids.
        longest, prompts: most tokens of any text, fewest of a prompt.
        choices: so many different prompts and sides, which then repeat; None for all different.
    """
    rng = np.random.default_rng(seed)

    def column(shortest: int) -> pa.Array:
        lengths = rng.integers(shortest, longest + 1, choices or count)
        ids = [rng.integers(3, 500, length).tolist() for length in lengths]
        if choices is not None:
            ids = [ids[choice] for choice in rng.integers(0, choices, count)]
        return pa.array(ids, pa.list_(pa.int32()))

    columns: dict[str, Any] = {"id": [f"{number:032x}" for number in range(count)]}
    columns["prompt_ids"] = column(prompts)
    return pa.table(columns | {"chosen_ids": column(1), "rejected_ids": column(1)})


def micro_batch(data: PairDataset) -> MicroBatch:
    """Returns all pairs of `data` as one micro-batch, which is its global batch."""
    pairs = len(data)
    return MicroBatch(np.arange(pairs), np.ones(pairs), pairs, int(data.nll_tokens.sum()))


def whole_batch(data: PairDataset) -> Any:
    """Returns all pairs of `data` as one batch."""
    return collate(data, micro_batch(data))
