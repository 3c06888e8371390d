"""TRL's padded batches as packed rows, with the places at which TRL looks for each log-prob."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np
import torch
from torch import Tensor

from prefalign.engine.collate import distinct_targets
from prefalign.engine.tree import Layout, Rows, Tokens, arrange


class PackedRow(TypedDict):
    """What stands beside a padded batch of 2B sequences of L tokens, for the model to read instead.

    Attributes:
        input_ids: (1, T) int64; T is the number of tokens that differ from one another.
        position_ids: (1, T) int64.
        keys, query_starts, key_starts: `prefalign.engine.tree.Views`.
        positions: (N,) int64, where in the row each distinct target is predicted.
        targets: (N,) int64 token ids.
        scores: (M,) int64, a target for each completion token of the padded batch.
        slots: (M,) int64, that token's place in the flattened (2B, L - 1) tensors of TRL's loss.
    """

    input_ids: Tensor
    position_ids: Tensor
    keys: Tensor
    query_starts: Tensor
    key_starts: Tensor
    positions: Tensor
    targets: Tensor
    scores: Tensor
    slots: Tensor


@dataclass(frozen=True)
class PackingCollator:
    """Adds a `PackedRow` to the batches of TRL's own collator, which still truncates and counts.

    Attributes:
        padding: TRL's `DataCollatorForPreference`.
        layout: "shared" or "packed".
    """

    padding: Any
    layout: Layout

    def __call__(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
        """Returns TRL's batch, with the row as `packed` where there is anything to score."""
        batch: dict[str, Any] = self.padding(examples)
        row = _packed(batch, self.layout)
        return batch if row is None else batch | {"packed": row}


def _packed(batch: dict[str, Any], layout: Layout) -> PackedRow | None:
    lengths = batch["attention_mask"].sum(1).tolist()
    sequences = [ids[:end] for ids, end in zip(batch["input_ids"].numpy(), lengths, strict=True)]
    scored = batch["completion_mask"][:, 1:].numpy().astype(bool)
    if not scored.any():
        return None
    # the last token of a sequence predicts nothing
    rows = arrange([tokens[:-1] for tokens in sequences], layout)
    return _with_targets(rows, sequences, scored)


def _with_targets(rows: Rows, sequences: list[Tokens], scored: Any) -> PackedRow:
    """Returns `rows` with what is scored in them: (2B, L - 1) bool, by the place that predicts."""
    assert rows.positions is not None  # both layouts are of one row
    assert rows.views is not None
    places = [path[mask[: len(path)]] for path, mask in zip(rows.paths, scored, strict=True)]
    targets = [
        tokens[1:][mask[: len(tokens) - 1]] for tokens, mask in zip(sequences, scored, strict=True)
    ]
    positions, ids, scores = distinct_targets(np.concatenate(places), np.concatenate(targets))
    return PackedRow(
        input_ids=torch.from_numpy(rows.input_ids),
        position_ids=torch.from_numpy(rows.positions)[None],
        keys=torch.from_numpy(rows.views.keys),
        query_starts=torch.from_numpy(rows.views.query_starts),
        key_starts=torch.from_numpy(rows.views.key_starts),
        positions=torch.from_numpy(positions),
        targets=torch.from_numpy(ids),
        scores=torch.from_numpy(scores),
        slots=torch.from_numpy(np.flatnonzero(scored)),
    )
