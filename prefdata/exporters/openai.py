"""Preference rows with `input`, `preferred_output` and `non_preferred_output`, of four vendors."""

from __future__ import annotations

from collections.abc import Iterator

from prefdata.exporters import Row, exporter
from prefdata.types import Pair
from prefdata.writing.chat import chat, json_columns, plain
from prefdata.writing.limits import (
    ALTERNATION,
    EMPTY_PROMPT,
    ENDS_WITH_ASSISTANT,
    ENDS_WITHOUT_USER,
    IMAGES,
    LATE_SYSTEM,
    NEIGHBOURS,
    ONE_MESSAGE,
    TEXT_ONLY,
    THINKING,
    TOOL_LIST,
    Limit,
    no_completion,
    roles,
)

_OTHERS = no_completion(
    "completion messages of others than assistant and tool",
    lambda side: any(m.role not in ("assistant", "tool") for m in side),
)
_ONE_ANSWER = (*TEXT_ONLY, ONE_MESSAGE, EMPTY_PROMPT, roles("system", "user", "assistant"))


def _asked_before(pair: Pair) -> str | None:
    asked = sum(m.role == "user" for m in pair.prompt)
    return None if asked == 1 else f"{asked} user turns"


_ONE_TURN = Limit("more than one user turn", _asked_before)


@exporter(
    "azure",
    reads_back="openai-preference",
    limits=(EMPTY_PROMPT, _OTHERS, THINKING, IMAGES, TOOL_LIST),
    carries={"tools", "name", "tool_call_id"},
)
@exporter(
    "openai",
    reads_back="openai-preference",
    limits=(EMPTY_PROMPT, _OTHERS, THINKING, IMAGES, TOOL_LIST),
    carries={"tools", "name", "tool_call_id"},
)
def openai(pair: Pair, _pair_id: str) -> Iterator[Row]:
    """OpenAI and Azure preference fine-tuning: `input`, `preferred_output`, `non_preferred_output`.

    Sample:
        {"input": {"messages": [{"role": "user", "content": "How cold is it?"}], "tools": []},
         "preferred_output": [{"role": "assistant", "content": "12 degrees."}],
         "non_preferred_output": [{"role": "assistant", "content": "No idea."}]}

    An output may be several messages: a call, the tool's reply, the answer. Nothing else than these
    three fields is written, for unknown fields make the file invalid.

    Traps:
    - text only: no images, no thinking
    - outputs are messages of the assistant and of tools; a user turn in one is refused
    - there is no column for the id; rows stand in the order of the pairs

    Source: OpenAI API reference, FineTunePreferenceRequestInput; Azure, "Direct preference
    optimization", "Prepare preference data".
    """
    yield _row(
        {"messages": chat(pair.prompt)} | json_columns(pair, "tools"),
        chat(pair.chosen),
        chat(pair.rejected),
    )


@exporter(
    "together",
    reads_back="openai-preference",
    limits=(*_ONE_ANSWER, ENDS_WITH_ASSISTANT, NEIGHBOURS),
)
def together(pair: Pair, _pair_id: str) -> Iterator[Row]:
    """Together preference tuning: OpenAI's fields, one answer a side, nothing else.

    Sample:
        {"input": {"messages": [{"role": "user", "content": "How cold is it?"}]},
         "preferred_output": [{"role": "assistant", "content": "12 degrees."}],
         "non_preferred_output": [{"role": "assistant", "content": "No idea."}]}

    Traps:
    - exactly one assistant message a side; the input must not end with one
    - roles are system, user and assistant, and no two neighbours have the same one
    - extra columns make the file invalid, so there is no id
    - images are taken as base64 parts only, which this exporter does not write

    Source: together-python, src/together/utils/files.py, validate_preference_openai.
    """
    yield _row({"messages": plain(pair.prompt)}, plain(pair.chosen), plain(pair.rejected))


@exporter(
    "fireworks",
    reads_back="openai-preference",
    limits=(*_ONE_ANSWER, _ONE_TURN, ENDS_WITHOUT_USER, ALTERNATION, LATE_SYSTEM),
)
def fireworks(pair: Pair, _pair_id: str) -> Iterator[Row]:
    """Fireworks preference tuning: OpenAI's fields, one question and one answer a side.

    Sample:
        {"input": {"messages": [{"role": "user", "content": "How cold is it?"}]},
         "preferred_output": [{"role": "assistant", "content": "12 degrees."}],
         "non_preferred_output": [{"role": "assistant", "content": "No idea."}]}

    Traps:
    - one-turn conversations only: a system turn, if any, one user turn, and the answers
    - content is text; roles are system, user and assistant
    - a data set has 3 to 3,000,000 rows

    Source: docs.fireworks.ai, fine-tuning/dpo-fine-tuning, "Prepare dataset".
    """
    yield _row({"messages": plain(pair.prompt)}, plain(pair.chosen), plain(pair.rejected))


def _row(asked: Row, preferred: list[Row], other: list[Row]) -> Row:
    return {"input": asked, "preferred_output": preferred, "non_preferred_output": other}
