"""The pairs of a run: where they come from, and their tokens."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prefalign.config import RunConfig
from prefalign.record import DataRecord
from prefalign.tokenise import TokenStore, tokenise
from prefdata import read_pairs
from prefdata.errors import InputError
from prefdata.io.manifest import sha256


@dataclass(frozen=True)
class PairSet:
    """One set of pairs.

    Attributes:
        source: file or hub dataset.
        store: its tokens; pairs that truncation dropped are missing.
        prompt_of: pair id -> prompt id.
    """

    source: str
    store: TokenStore
    prompt_of: dict[str, str]

    @cached_property
    def prompt_ids(self) -> NDArray[np.str_]:
        """Prompt ids in store order."""
        return np.array([self.prompt_of[i] for i in self.store.table["id"].to_pylist()])

    @property
    def tokens(self) -> int:
        """Tokens of an epoch: the prompt counts with each of its two completions."""
        counts = self.store.token_counts
        return 2 * counts.prompt + counts.chosen + counts.rejected

    def record(self) -> DataRecord:
        """Returns what `run.json` says about the set."""
        path = Path(self.source).expanduser()
        return DataRecord(
            source=self.source,
            sha256=sha256(path) if path.is_file() else None,
            pairs=len(self.store),
            dropped={reason: len(ids) for reason, ids in self.store.dropped.items()},
            tokens=self.tokens,
            token_fingerprint=self.store.fingerprint,
        )


def read_set(source: str, config: RunConfig) -> PairSet:
    """Returns the pairs of `source` with their tokens, which preflight has left in the cache.

    Raises:
        InputError: no pair is left.
    """
    pairs = read_pairs(source)
    store = tokenise(
        pairs, config.model.name, config.data, trust_remote_code=config.model.trust_remote_code
    )
    if not len(store):
        raise InputError(
            f"{source}: none of its {pairs.height:,} pairs is left after truncation",
            hint="raise data.max_length, or set data.truncation to keep_start",
        )
    return PairSet(source, store, dict(zip(pairs["id"], pairs["prompt_id"], strict=True)))
