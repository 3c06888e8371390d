"""Our own trainer, DPO and ORPO alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pyarrow as pa

from prefdata.tokens.render import TOKENS, Rendered
from prefdata.tokens.trainers import Build, Part, Row, Seen, Settings, Side, trainer, whole
from prefdata.tokens.trainers.trl_dpo import rendered
from prefdata.tokens.truncate import Truncation, truncate

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@trainer("prefalign", truncations=("drop", "keep_start", "keep_end"))
def prefalign(tokenizer: PreTrainedTokenizerBase, settings: Settings) -> Build:
    """Trains on the ids that TRL's DPO builds, for every method.

    - both sides keep one prompt, whatever is cut
    - by default a pair with a side of more than max_length tokens is dropped, and counted
    """

    def build(row: Row) -> Seen:
        ids = rendered(tokenizer, row)
        if settings.max_length is None:
            return _seen(ids, ids, settings.truncation)
        table = pa.Table.from_pylist([{"id": row["id"], **ids._asdict()}], TOKENS)
        truncation = cast(Truncation, settings.truncation)
        left = truncate(table, settings.max_length, truncation)
        if left.dropped:
            dropped = f"a side has more than {settings.max_length} tokens"
            return _seen(ids, ids, settings.truncation)._replace(dropped=dropped)
        kept = left.table.drop_columns("id").to_pylist()[0]
        return _seen(ids, Rendered(**kept), settings.truncation)

    return build


def _seen(ids: Rendered, kept: Rendered, truncation: str) -> Seen:
    """Returns a pair of which `kept` is left."""
    parts = [_part(before, len(after), truncation) for before, after in zip(ids, kept, strict=True)]
    return Seen(Side(parts[0], parts[1]), Side(parts[0], parts[2]))


def _part(ids: list[int], kept: int, truncation: str) -> Part:
    if kept == len(ids):
        return whole(ids)
    first = len(ids) - kept if truncation == "keep_end" else 0
    return Part(ids, range(first, first + kept))
