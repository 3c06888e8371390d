"""One pair as a person reads it: the prompt, then chosen and rejected below each other."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

_WIDTH = 96
_LIMIT = 600
_KEPT = "\t\n"


def printable(text: str) -> str:
    """Returns text safe for a terminal: control, direction and line characters become visible."""
    return "".join(
        char
        if char.isprintable() or char in _KEPT or unicodedata.category(char) == "Zs"
        else _escape(char)
        for char in text
    )


def _escape(char: str) -> str:
    return f"\\x{ord(char):02x}" if ord(char) < 0x100 else f"\\u{ord(char):04x}"


def render_pair(pair: Mapping[str, Any]) -> str:
    """Returns one canonical row as text; long messages are cut, and say so."""
    head = f"{pair['file']}:{pair['row']}  {pair['id']}"
    blocks = [head, *_turns("prompt", pair["prompt"])]
    blocks += _turns("chosen", pair["chosen"]) + _turns("rejected", pair["rejected"])
    if pair["votes"]:
        blocks.append("votes     " + ", ".join(_vote(vote) for vote in pair["votes"]))
    return "\n".join(blocks)


def _vote(vote: Mapping[str, Any]) -> str:
    return f"{vote['annotator']}: {vote['choice']}" if vote["annotator"] else str(vote["choice"])


def _turns(title: str, messages: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = []
    for message in messages:
        role = "" if title != "prompt" and message["role"] == "assistant" else message["role"]
        label = title if not role else f"{title} ({role})"
        body = printable(_body(message))
        cut = f" [... {len(body) - _LIMIT:,} more characters]" if len(body) > _LIMIT else ""
        wrapped = [
            piece
            for line in (body[:_LIMIT] + cut).split("\n")
            for piece in textwrap.wrap(line, _WIDTH - 2) or [""]
        ]
        lines += [label, *(f"  {line}" for line in wrapped)]
    return lines


def _body(message: Mapping[str, Any]) -> str:
    parts = [f"<thinking> {message['thinking']}" if message["thinking"] else ""]
    parts.append(message["content"] or "")
    parts.append(f"tool calls: {message['tool_calls']}" if message["tool_calls"] else "")
    return "\n".join(part for part in parts if part) or "(empty)"
