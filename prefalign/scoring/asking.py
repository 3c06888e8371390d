"""Models that are asked about pairs, one after the other; every process of a launch calls this."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from accelerate import PartialState

from prefalign.config import Data
from prefalign.data.dataset import PairDataset
from prefalign.engine.self_test import choose_layout
from prefalign.engine.tree import Layout
from prefalign.models.loading import Precision, choose_attention
from prefalign.models.named import NamedModel
from prefalign.models.weights import weights_digest
from prefalign.progress import Phase, Reporter
from prefalign.scoring.reference import kept_scores
from prefalign.scoring.table import Said, score_table, without_prompts
from prefalign.tokenise import TokenStore, tokenise
from prefdata.errors import InputError

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Asking:
    """How models are asked.

    Attributes:
        data: which pairs, and what happens to long ones.
        micro_batch_size: pairs per forward pass.
        precision: of the forward passes.
        device: of this process.
    """

    data: Data
    micro_batch_size: int
    precision: Precision
    device: torch.device


def score_models(
    pairs: pl.DataFrame,
    policies: Sequence[NamedModel],
    reference: NamedModel | None,
    asking: Asking,
    reporter: Reporter,
) -> pl.DataFrame:
    """Returns `prefalign.scoring.table` rows of every model, in the order of models and of pairs.

    What has been computed before is not computed again, by whichever process or command it was.

    Args:
        pairs: canonical pairs; one that stands there twice is scored once.
        policies: the models.
        reference: what all of them are measured from; None for what each was trained from.
        asking: how they are asked.
        reporter: who hears of progress.

    Raises:
        InputError: a model cannot be loaded or is exact in no layout, or its reference reads other tokens.
    """
    import polars as pl

    pairs = pairs.unique("id", keep="first", maintain_order=True)
    scored = {policy.weights for policy in policies}
    asked: dict[str, tuple[TokenStore, Said]] = {}
    tables = []
    for policy in policies:
        base = reference or policy.untouched
        for model in filter(None, (policy, base)):
            if model.weights not in asked:
                alone = model.weights in scored
                asked[model.weights] = _ask(model, pairs, asking, reporter, alone=alone)
        store, said = asked[policy.weights]
        if base is None:
            tables.append(score_table(policy.name, said, None))
            continue
        its_store, its = asked[base.weights]
        if its_store.fingerprint != store.fingerprint:
            raise InputError(
                f"{base.name} reads other tokens than {policy.name}: their log-probs do not compare",
                hint="give a reference with the same tokenizer and chat template",
            )
        tables.append(score_table(policy.name, said, its))
    return pl.concat(tables)


def _ask(
    named: NamedModel, pairs: pl.DataFrame, asking: Asking, reporter: Reporter, *, alone: bool
) -> tuple[TokenStore, Said]:
    """Returns the tokens that a model reads, and what it says."""
    tokenizer = named.tokenizer()
    progress = Phase(reporter, "tokenising", pairs.height, "pairs")
    store = tokenise(pairs, tokenizer, asking.data, progress=progress)
    if len(store) == 0:
        raise InputError(
            f"{asking.data.train}: no pair is left of {pairs.height:,}",
            hint="raise --max-length, or cut long pairs: --truncation keep_end",
        )
    for reason, ids in store.dropped.items():
        reporter.say(f"{named.name}: {len(ids):,} pairs are left out: {reason}")
    model = named.load(asking.precision).to(asking.device)
    data = PairDataset(store.table)
    choose_attention(model, int(data.lengths.max()))
    verdict = choose_layout(
        model, data, np.arange(len(data)), device=asking.device, precision=asking.precision
    )
    if remark := verdict.sentence():
        reporter.say(f"{named.name}: {remark}")
    asker = _Asker(model, verdict.layout, asking, reporter)
    prompted = asker.scores(data, f"scoring {named.name}")
    if not alone:
        return store, Said(prompted)
    completions = PairDataset(without_prompts(store, tokenizer.bos_token_id))
    return store, Said(prompted, asker.scores(completions, f"{named.name} without prompts"))


@dataclass
class _Asker:
    """A model, ready to be asked in a layout."""

    model: Any
    layout: Layout
    asking: Asking
    reporter: Reporter

    def __post_init__(self) -> None:
        self.digest = weights_digest(self.model)

    def scores(self, data: PairDataset, phase: str) -> pl.DataFrame:
        """Returns `prefalign.score.score` of `data`, as far as it is known already from the cache."""
        data.layout = self.layout
        share = -(-len(data) // PartialState().num_processes)
        return kept_scores(
            self.model, data, digest=self.digest, micro_batch_size=self.asking.micro_batch_size,
            device=self.asking.device, precision=self.asking.precision,
            progress=Phase(self.reporter, phase, share, "pairs"), warn=self.reporter.say,
        )  # fmt: skip
