"""Rows for Axolotl, and the block of its YAML configuration that reads them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from prefdata.exporters import SCORES, Config, Row, exporter
from prefdata.types import Pair
from prefdata.writing.chat import columns, plain
from prefdata.writing.limits import BLANK_COMPLETION, EMPTY_PROMPT, ONE_MESSAGE, TEXT_ONLY, roles

_BLOCK = """\
rl: dpo
datasets:
  - path: {path}
    ds_type: json
    split: train
    type: chat_template.default
    field_messages: messages
    field_chosen: chosen
    field_rejected: rejected
    message_property_mappings:
      role: role
      content: content
    roles:
      system: [system]
      user: [user]
      assistant: [assistant]
"""


def yaml_block(path: Path) -> Config:
    """Returns the lines of Axolotl's configuration that read the file."""
    # a JSON string is a YAML string, whatever the path holds
    written = json.dumps(str(path), ensure_ascii=False)
    return Config(".axolotl.yaml", _BLOCK.format(path=written))


@exporter(
    "axolotl",
    reads_back="llama-factory-openai",
    limits=(
        roles("system", "user", "assistant"),
        *(EMPTY_PROMPT, ONE_MESSAGE, BLANK_COMPLETION),
        *TEXT_ONLY,
    ),
    carries={"id", *SCORES},
    suffixes=(".jsonl", ".json"),
    config=yaml_block,
)
def axolotl(pair: Pair, pair_id: str) -> Iterator[Row]:
    """Axolotl `chat_template.default` rows, with the YAML block that reads them.

    Sample:
        {"messages": [{"role": "user", "content": "What colour is the sky?"}],
         "chosen": {"role": "assistant", "content": "Blue."},
         "rejected": {"role": "assistant", "content": "Green."}, "id": "c3cf..."}

    `OUTPUT.axolotl.yaml` holds the block for the configuration; `rl: orpo` and others read the same rows.

    Traps:
    - Axolotl takes the last message of each side and drops all before it; only one is written
    - tool calls are dropped and tools never reach the template, so pairs with either are refused
    - Axolotl finds the answer in the rendered text by searching for it: an answer of white space alone
      is refused here, and one that begins with white space fails under templates that trim

    Source: Axolotl, src/axolotl/prompt_strategies/dpo/chat_template.py, docs/rlhf.qmd.
    """
    (chosen,), (rejected,) = plain(pair.chosen), plain(pair.rejected)
    yield {
        "messages": plain(pair.prompt),
        "chosen": chosen,
        "rejected": rejected,
        "id": pair_id,
        **columns(pair, sorted(SCORES)),
    }
