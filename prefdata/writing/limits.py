"""What the rows of a target cannot hold: one limit a reason, each names the place in the pair.

Limits are asked before a row is written. A pair that breaks one is refused by name, so nothing that
a trainer or a vendor would drop, cut or reject reaches it by accident.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from itertools import pairwise

from msgspec import Struct

from prefdata.reading.messages import excerpt
from prefdata.reading.parts import PLACEHOLDER
from prefdata.types import Message, Messages, Pair, Role

_HH_MARKER = re.compile(r"\n\n(?:Human|Assistant):")


class Limit(Struct, frozen=True):
    """One thing that a target cannot hold.

    Attributes:
        name: what it is, as it stands in reports.
        breaks: a pair -> where it holds such a thing, or None.
    """

    name: str
    breaks: Callable[[Pair], str | None]


def holds(json_list: str | None) -> bool:
    """Tells whether a JSON column holds anything: null, `[]`, `{}` and `""` are nothing."""
    return json_list is not None and bool(json.loads(json_list))


def turns(pair: Pair) -> Iterator[tuple[str, Message]]:
    """Yields every message of a pair with its place, e.g. `prompt[0]`."""
    for side in ("prompt", "chosen", "rejected"):
        for index, message in enumerate(getattr(pair, side)):
            yield f"{side}[{index}]", message


def no_message(name: str, unfit: Callable[[Message], object]) -> Limit:
    """Returns the limit for pairs with a message that is `unfit`."""

    def breaks(pair: Pair) -> str | None:
        return next((place for place, message in turns(pair) if unfit(message)), None)

    return Limit(name, breaks)


def no_completion(name: str, unfit: Callable[[Messages], object]) -> Limit:
    """Returns the limit for pairs with a side that is `unfit`."""

    def breaks(pair: Pair) -> str | None:
        sides = (("chosen", pair.chosen), ("rejected", pair.rejected))
        return next((side for side, completion in sides if unfit(completion)), None)

    return Limit(name, breaks)


def no_prompt(name: str, unfit: Callable[[Messages], object]) -> Limit:
    """Returns the limit for pairs with a prompt that is `unfit`."""
    return Limit(name, lambda pair: "prompt" if unfit(pair.prompt) else None)


def roles(*known: Role) -> Limit:
    """Returns the limit for messages of another role than these."""

    def breaks(pair: Pair) -> str | None:
        found = ((place, m.role) for place, m in turns(pair) if m.role not in known)
        return next((f"{place} is of role {role}" for place, role in found), None)

    return Limit(f"roles other than {', '.join(known)}", breaks)


def marker_inside_turn(content: str | None) -> bool:
    """Tells whether a text holds what separates the turns of an HH-RLHF transcript."""
    return content is not None and _HH_MARKER.search(content) is not None


CONTENT = no_message(
    "a message without content or tool call",
    lambda m: m.content is None and not holds(m.tool_calls),
)
ONE_MESSAGE = no_completion("several completion messages", lambda side: len(side) != 1)
TOOLS = Limit("tool definitions", lambda pair: "tools" if holds(pair.tools) else None)
TOOL_CALLS = no_message(
    "tool calls and results", lambda m: m.role == "tool" or holds(m.tool_calls) or m.content is None
)
TOOL_LIST = Limit(
    "tool definitions that are no list",
    lambda pair: (
        "tools" if pair.tools is not None and not isinstance(json.loads(pair.tools), list) else None
    ),
)
IMAGES = Limit("images", lambda pair: f"{len(pair.images)} of them" if pair.images else None)


def _misplaced(pair: Pair) -> str | None:
    if not pair.images:
        return None
    placed = sum((m.content or "").count(PLACEHOLDER) for m in pair.prompt)
    return None if placed == len(pair.images) else f"{len(pair.images)} images, {placed} places"


MISPLACED_IMAGES = Limit("images that have no place each in the prompt", _misplaced)
THINKING = no_message("thinking", lambda m: m.thinking is not None)
TEXT_ONLY = (TOOLS, TOOL_CALLS, THINKING, IMAGES)
"""What rows of roles and texts cannot hold."""
EMPTY_TEXT = no_message("empty text", lambda m: not m.content)
BLANK_COMPLETION = no_completion(
    "a completion of white space only", lambda side: not (side[0].content or "").strip()
)
EMPTY_PROMPT = no_prompt("an empty prompt", lambda prompt: not prompt)
ENDS_WITH_ASSISTANT = no_prompt(
    "a prompt that the assistant ends", lambda prompt: prompt and prompt[-1].role == "assistant"
)
ENDS_WITHOUT_USER = no_prompt(
    "a prompt that no user turn ends", lambda prompt: not prompt or prompt[-1].role != "user"
)
NEIGHBOURS = no_prompt(
    "two turns of one role in a row",
    lambda prompt: any(a.role == b.role for a, b in pairwise(prompt)),
)
LATE_SYSTEM = no_prompt(
    "a system turn after the first turn",
    lambda prompt: any(m.role == "system" for m in prompt[1:]),
)
EMPTY_SYSTEM = no_prompt(
    "an empty system turn",
    lambda prompt: prompt and prompt[0].role == "system" and not prompt[0].content,
)
REPEATED_PROMPT = Limit(
    "a completion that repeats the prompt",
    lambda pair: next(
        (
            name
            for name, side in (("chosen", pair.chosen), ("rejected", pair.rejected))
            if pair.prompt and side[: len(pair.prompt)] == pair.prompt
        ),
        None,
    ),
)
MORE_THAN_ASSISTANT = no_completion(
    "completion messages of others than the assistant",
    lambda side: any(m.role != "assistant" for m in side),
)


def _not_alternating(pair: Pair) -> str | None:
    said = [m.role for m in pair.prompt if m.role != "system"]
    expected: tuple[Role, Role] = ("user", "assistant")
    wrong = next((n for n, role in enumerate(said) if role != expected[n % 2]), None)
    return None if wrong is None else f"turn {wrong + 1} of the prompt is of role {said[wrong]}"


ALTERNATION = Limit("a prompt whose turns do not alternate, user first", _not_alternating)


def _no_plain_prompt(pair: Pair) -> str | None:
    found = [m.role for m in pair.prompt]
    return None if found == ["user"] else f"the prompt is {excerpt(found)}"


PLAIN_PROMPT = Limit("a prompt that is not one user turn", _no_plain_prompt)


def _padded(pair: Pair) -> str | None:
    for name in ("chat_template_kwargs", "images"):
        if getattr(pair, name) is not None:
            return name
    keys = ("name", "tool_calls", "tool_call_id", "thinking")
    found = (
        (place, key) for place, m in turns(pair) for key in keys if getattr(m, key) is not None
    )
    return next((f"{key} of {place}" for place, key in found), None)


PADDED = Limit("what Parquet gives to every row as null; write .jsonl", _padded)
