"""Rows for torchtune."""

from __future__ import annotations

from collections.abc import Iterator

from prefdata.exporters import SCORES, Row, exporter
from prefdata.types import Pair
from prefdata.writing.chat import columns, plain
from prefdata.writing.limits import EMPTY_PROMPT, TEXT_ONLY, roles


@exporter(
    "torchtune",
    reads_back="trl-conversational-implicit",
    limits=(
        roles("system", "user", "assistant"),
        *(EMPTY_PROMPT, *TEXT_ONLY),
    ),
    carries={"id", *SCORES},
    suffixes=(".jsonl", ".json"),
    implicit_prompt=True,
)
def torchtune(pair: Pair, pair_id: str) -> Iterator[Row]:
    """Preference rows of torchtune: two whole conversations, `chosen` and `rejected`.

    Sample:
        {"chosen": [{"role": "user", "content": "What colour is the sky?"},
                    {"role": "assistant", "content": "Blue."}],
         "rejected": [{"role": "user", "content": "What colour is the sky?"},
                      {"role": "assistant", "content": "Green."}], "id": "c3cf..."}

    Read them with `torchtune.datasets.preference_dataset`, `source: json`, `data_files: OUTPUT`.

    Traps:
    - by default torchtune trains every assistant turn, also those of the prompt; say
      `masking_strategy: train_on_last`
    - torchtune drops whatever a message has besides role and content, so such pairs are refused

    Source: torchtune, torchtune/data/_messages.py, ChosenRejectedToMessages.
    """
    yield {
        "chosen": plain(pair.prompt + pair.chosen),
        "rejected": plain(pair.prompt + pair.rejected),
        "id": pair_id,
        **columns(pair, sorted(SCORES)),
    }
