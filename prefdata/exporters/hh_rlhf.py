"""Transcripts as Anthropic's HH-RLHF writes them."""

from __future__ import annotations

from collections.abc import Iterator

from prefdata.exporters import Row, exporter
from prefdata.types import Messages, Pair
from prefdata.writing.limits import (
    ONE_MESSAGE,
    TEXT_ONLY,
    marker_inside_turn,
    no_message,
    no_prompt,
    roles,
)

_NAMES = {"user": "Human", "assistant": "Assistant"}


@exporter(
    "hh-rlhf",
    reads_back="hh-rlhf",
    limits=(
        roles("user", "assistant"),
        ONE_MESSAGE,
        no_prompt(
            "a prompt that no user turn opens",
            lambda prompt: not prompt or prompt[0].role != "user",
        ),
        no_message("a turn marker inside a turn", lambda m: marker_inside_turn(m.content)),
        *TEXT_ONLY,
    ),
    carries={"id"},
)
def hh_rlhf(pair: Pair, pair_id: str) -> Iterator[Row]:
    r"""HH-RLHF transcripts: two texts with `\n\nHuman:` and `\n\nAssistant:` markers.

    Sample:
        {"chosen": "\n\nHuman: Is tea healthy?\n\nAssistant: It can be.",
         "rejected": "\n\nHuman: Is tea healthy?\n\nAssistant: No.", "id": "c3cf..."}

    One space after a marker belongs to the marker; the texts themselves are written as they are.

    Traps:
    - there is no place for a system turn, a tool or an image
    - a text that holds a marker would be read as two turns; such pairs are refused

    Source: Anthropic/hh-rlhf, README.
    """
    yield {
        "chosen": _transcript(pair.prompt + pair.chosen),
        "rejected": _transcript(pair.prompt + pair.rejected),
        "id": pair_id,
    }


def _transcript(messages: Messages) -> str:
    return "".join(f"\n\n{_NAMES[m.role]}: {m.content}" for m in messages)
