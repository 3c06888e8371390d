"""What a model reads in one forward pass: the one place that knows how batches are laid out."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from prefalign.engine.logps import Batch


class Reads(NamedTuple):
    """The sizes of a forward pass, all of them counts.

    Attributes:
        tokens: places the model computes, padding included.
        scored: positions at which the head is computed.
        attended: (query, key) pairs of causal attention, in one head of one layer.
        keys: places whose keys and values attention holds; a shared prompt counts once a view.
        rows: sequences beside each other in the tensor; 1 where they are packed.
    """

    tokens: int
    scored: int
    attended: int
    keys: int
    rows: int

    @property
    def packed(self) -> bool:
        """Keys are gathered by view, beside those that the layer computes."""
        return self.keys > 0


def reads(batch: Batch) -> Reads:
    """Returns the sizes of a collated batch."""
    rows, width = batch["input_ids"].shape
    scored = len(batch["targets"])
    if "keys" not in batch:
        return Reads(rows * width, scored, rows * triangle(width, width), 0, rows)
    queries, keys = (batch[name].diff().long() for name in ("query_starts", "key_starts"))
    attended = int((queries * keys - queries * (queries - 1) // 2).sum())
    return Reads(rows * width, scored, attended, len(batch["keys"]), rows)


def triangle(queries: int, keys: int) -> int:
    """Returns the pairs of `queries` that end where `keys` end, each seeing all before it.

    >>> triangle(3, 3), triangle(1, 3)
    (6, 3)
    """
    return queries * keys - queries * (queries - 1) // 2
