"""Rows for NeMo-RL."""

from __future__ import annotations

from collections.abc import Iterator

from prefdata.exporters import Row, exporter
from prefdata.types import Pair
from prefdata.writing.chat import plain
from prefdata.writing.limits import EMPTY_PROMPT, ONE_MESSAGE, TEXT_ONLY, roles


@exporter(
    "nemo-rl",
    reads_back="nemo-rl",
    limits=(
        roles("system", "user", "assistant"),
        *(EMPTY_PROMPT, ONE_MESSAGE, *TEXT_ONLY),
    ),
    carries={"id"},
)
def nemo_rl(pair: Pair, pair_id: str) -> Iterator[Row]:
    """NeMo-RL preference rows: `context` and two ranked `completions`.

    Sample:
        {"context": [{"role": "user", "content": "What colour is the sky?"}],
         "completions": [
           {"rank": 0, "completion": [{"role": "assistant", "content": "Blue."}]},
           {"rank": 1, "completion": [{"role": "assistant", "content": "Green."}]}], "id": "c3cf..."}

    Traps:
    - the lower rank is the better one
    - each completion is one message; of several, NeMo-RL trains the last alone

    Source: NeMo-RL, docs/guides/dpo.md, nemo_rl/data/processors.py, preference_preprocessor.
    """
    yield {
        "context": plain(pair.prompt),
        "completions": [
            {"rank": rank, "completion": plain(completion)}
            for rank, completion in enumerate((pair.chosen, pair.rejected))
        ],
        "id": pair_id,
    }
