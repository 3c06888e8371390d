"""The pairs of a run: where they come from, and their tokens."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from prefalign.config import RunConfig
from prefalign.data.findings import refuse_fatal
from prefalign.data.labels import label_probabilities
from prefalign.losses import loss_of
from prefalign.models.tokenizer import tokenizer_of
from prefalign.progress import Phase, Reporter
from prefalign.records.run import DataRecord
from prefalign.tokenise import TokenStore, tokenise
from prefdata import read_pairs
from prefdata.io.manifest import sha256, sibling, stated_terms


@dataclass(frozen=True)
class PairSet:
    """One set of pairs.

    Attributes:
        source: file or hub dataset.
        store: its tokens; pairs that truncation dropped are missing.
        prompt_of: pair id -> prompt id.
        label_probability: (P,) of each pair of the store, see `prefalign.data.labels`; None unless the run
            trains on the set with a loss that reads it.
    """

    source: str
    store: TokenStore
    prompt_of: dict[str, str]
    label_probability: NDArray[np.float64] | None = None

    @cached_property
    def prompt_ids(self) -> NDArray[np.str_]:
        """Prompt ids in store order."""
        return np.array([self.prompt_of[i] for i in self.store.table["id"].to_pylist()])

    @property
    def tokens(self) -> int:
        """Tokens of an epoch: the prompt counts with each of its two completions."""
        counts = self.store.token_counts
        return 2 * counts.prompt + counts.chosen + counts.rejected

    @property
    def longest(self) -> int:
        """Tokens of the longest prompt + completion."""
        prompt, chosen, rejected = (
            pc.list_value_length(self.store.table[name])
            for name in ("prompt_ids", "chosen_ids", "rejected_ids")
        )
        return int(pc.max(pc.add(prompt, pc.max_element_wise(chosen, rejected))).as_py())

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
            **_manifest(path),
        )


def _manifest(path: Path) -> dict[str, str | None]:
    """Returns the fields of a record that the manifest beside a file of pairs gives."""
    manifest = sibling(path, ".manifest.json")
    if not manifest.is_file():
        return {}
    return {"manifest_sha256": sha256(manifest), "licence": stated_terms(path).get("licence")}


def read_set(source: str, config: RunConfig, reporter: Reporter | None = None) -> PairSet:
    """Returns the pairs of `source` with their tokens, tokenised now or from the cache.

    Args:
        source: file or hub dataset.
        config: the run file.
        reporter: who hears of progress, where there is something to tokenise.

    Raises:
        PrefError: the pairs cannot be read, or some of them cannot be trained on.
    """
    pairs = read_pairs(source)
    store = tokenise(
        pairs,
        tokenizer_of(config.model),
        config.data,
        progress=Phase(reporter, "tokenising", pairs.height, "pairs") if reporter else None,
    )
    refuse_fatal(pairs, store, source)
    prompt_of = dict(zip(pairs["id"], pairs["prompt_id"], strict=True))
    probability = None
    if source == config.data.train and loss_of(config.method).facts.needs_label_probability:
        probability = label_probabilities(pairs, store.table["id"].to_pylist(), source)
    return PairSet(source, store, prompt_of, probability)
