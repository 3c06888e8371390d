"""Rows for preference tuning of Gemini on Vertex AI."""

from __future__ import annotations

from collections.abc import Iterator

from prefdata.exporters import Row, exporter
from prefdata.types import Pair
from prefdata.writing.chat import only_text, split_system
from prefdata.writing.limits import (
    EMPTY_TEXT,
    ENDS_WITHOUT_USER,
    LATE_SYSTEM,
    ONE_MESSAGE,
    TEXT_ONLY,
    roles,
)

_ROLES = {"user": "user", "assistant": "model"}


@exporter(
    "vertex",
    reads_back="vertex",
    limits=(
        roles("system", "user", "assistant"),
        *(ONE_MESSAGE, ENDS_WITHOUT_USER, LATE_SYSTEM, EMPTY_TEXT),
        *TEXT_ONLY,
    ),
)
def vertex(pair: Pair, _pair_id: str) -> Iterator[Row]:
    """Gemini preference tuning on Vertex AI: `contents` and two scored `completions`.

    Sample:
        {"system_instruction": {"parts": [{"text": "Be brief."}]},
         "contents": [{"role": "user", "parts": [{"text": "How cold is it?"}]}],
         "completions": [
           {"score": 1, "completion": {"role": "model", "parts": [{"text": "12 degrees."}]}},
           {"score": 0, "completion": {"role": "model", "parts": [{"text": "No idea."}]}}]}

    Traps:
    - text only, no part may be empty, and the contents end with a user turn
    - 1 marks the preferred completion; translations of the guide say the opposite

    Source: docs.cloud.google.com, vertex-ai, "Prepare preference tuning data for Gemini models".
    """
    system, prompt = split_system(pair.prompt)
    yield ({"system_instruction": {"parts": [{"text": system}]}} if system is not None else {}) | {
        "contents": [_content(_ROLES[m.role], m.content) for m in prompt],
        "completions": [
            {"score": 1, "completion": _content("model", only_text(pair.chosen))},
            {"score": 0, "completion": _content("model", only_text(pair.rejected))},
        ],
    }


def _content(role: str, text: str | None) -> Row:
    return {"role": role, "parts": [{"text": text}]}
