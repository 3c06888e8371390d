"""A canonical row as the row that another trainer's own reader takes; not a trainer itself."""

from __future__ import annotations

from typing import Any

from prefdata.errors import InputError
from prefdata.exporters import EXPORTERS
from prefdata.frame import messages
from prefdata.tokens.trainers import Row
from prefdata.types import Pair


def written(target: str, row: Row) -> dict[str, Any]:
    """Returns `row` as the exporter `target` writes it.

    Raises:
        InputError: the target cannot hold the pair.
    """
    exporter = EXPORTERS.get(target)
    pair = Pair(
        prompt=messages(row["prompt"]),
        chosen=messages(row["chosen"]),
        rejected=messages(row["rejected"]),
        tools=row["tools"],
        images=tuple(row["images"] or ()) or None,
    )
    for limit in exporter.limits:
        place = limit.breaks(pair)
        if place is not None:
            raise InputError(f"its rows cannot hold this pair: {limit.name} at {place}")
    return next(exporter.write(pair, row["id"]))
