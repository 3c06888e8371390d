"""OpenAI preference rows, a block at a time."""

from __future__ import annotations

from msgspec import UNSET, Raw, Struct, UnsetType

from prefdata.quick import Quick, twin
from prefdata.quick.chat import (
    Message,
    Row,
    check_completion,
    check_prompt,
    quick_rows,
    tools_of,
)

_META = {
    UNSET: "{}",
    True: '{"input":{"parallel_tool_calls":true}}',
    False: '{"input":{"parallel_tool_calls":false}}',
}
_QUOTES = {UNSET: 8, True: 10, False: 10}  # around the keys


class _Input(Struct, forbid_unknown_fields=True, gc=False):
    messages: list[Message]
    tools: Raw | UnsetType = UNSET
    parallel_tool_calls: bool | UnsetType = UNSET


class _Row(Struct, forbid_unknown_fields=True, gc=False):
    input: _Input
    preferred_output: list[Message]
    non_preferred_output: list[Message]


@twin("openai-preference")
def openai_preference(data: bytes) -> Quick:
    """Takes rows under the names of today's API whose messages are plain."""
    return quick_rows(data, _Row, _plain)


def _plain(row: _Row) -> Row:
    asked = row.input
    check_prompt(asked.messages)
    check_completion(row.preferred_output)
    check_completion(row.non_preferred_output)
    return Row(
        asked.messages,
        row.preferred_output,
        row.non_preferred_output,
        tools_of(asked.tools),
        _META[asked.parallel_tool_calls],
        _QUOTES[asked.parallel_tool_calls],
    )
