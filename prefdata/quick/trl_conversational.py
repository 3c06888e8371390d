"""TRL's conversational rows, a block at a time."""

from __future__ import annotations

from msgspec import UNSET, Raw, Struct, UnsetType

from prefdata.quick import Quick, twin
from prefdata.quick.chat import (
    Message,
    Row,
    Unplain,
    check_completion,
    check_prompt,
    quick_rows,
    tools_of,
)

_QUOTES = 6  # around the three keys


class _Row(Struct, forbid_unknown_fields=True, gc=False):
    prompt: list[Message]
    chosen: list[Message]
    rejected: list[Message]
    tools: Raw | UnsetType = UNSET


@twin("trl-conversational")
def trl_conversational(data: bytes) -> Quick:
    """Takes rows of a prompt, two completions and perhaps tools, their messages plain."""
    return quick_rows(data, _Row, _plain)


def _plain(row: _Row) -> Row:
    if row.prompt and row.prompt[0].role == "assistant":
        raise Unplain  # the completions may repeat it
    check_prompt(row.prompt)
    check_completion(row.chosen)
    check_completion(row.rejected)
    return Row(row.prompt, row.chosen, row.rejected, tools_of(row.tools), "{}", _QUOTES)
