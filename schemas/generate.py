"""Writes the JSON Schemas from the pydantic models; exits 1 if a committed one had drifted.

Run by `make schemas`. `id-vectors.json` is written too: the published test vectors of the ids.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import msgspec

from prefalign.schemas import SCHEMAS as RUN_SCHEMAS
from prefdata.schema import pair_id, prompt_id
from prefdata.schemas import SCHEMAS, json_schema
from prefdata.types import Message, Messages

HERE = Path(__file__).parent


def message(role: Any, content: str | None, **fields: str) -> Message:
    """Returns a message, for the vectors below."""
    return Message(role=role, content=content, **fields)


CASES: list[tuple[str, Messages, Messages, Messages, str | None]] = [
    (
        "ascii",
        (message("user", "Hi"),),
        (message("assistant", "Hello"),),
        (message("assistant", "Go"),),
        None,
    ),
    ("no prompt", (), (message("assistant", "a"),), (message("assistant", "b"),), None),
    (
        "empty answer",
        (message("user", "Hi"),),
        (message("assistant", ""),),
        (message("assistant", " "),),
        None,
    ),
    (
        "unicode is not normalised",
        (message("system", "é"), message("user", "e\u0301 🙂\r\n")),
        (message("assistant", "日本語"),),
        (message("assistant", "\u200b"),),
        None,
    ),
    (
        "tools, calls and thinking",
        (message("user", "How cold is it?"),),
        (
            message("assistant", None, tool_calls='[{"name": "t"}]', thinking="look it up"),
            message("tool", "3 C", tool_call_id="1", name="t"),
        ),
        (message("assistant", "No idea"),),
        '[{"type": "function"}]',
    ),
]


def vectors() -> list[dict[str, Any]]:
    """Returns the test vectors: the hashed fields and the two ids."""

    def plain(messages: Messages) -> list[dict[str, Any]]:
        return [msgspec.structs.asdict(message) for message in messages]

    return [
        {
            "name": name,
            "prompt": plain(prompt),
            "chosen": plain(chosen),
            "rejected": plain(rejected),
            "tools": tools,
            "prompt_id": prompt_id(prompt, tools),
            "id": pair_id(prompt, chosen, rejected, tools),
        }
        for name, prompt, chosen, rejected, tools in CASES
    ]


def main() -> int:
    """Writes every file and returns 1 if one had changed."""
    wanted: dict[str, Any] = {"id-vectors.json": vectors()}
    models = SCHEMAS | RUN_SCHEMAS
    wanted |= {f"{name}-v1.json": json_schema(name, models) for name in models}
    drifted = []
    for name, content in wanted.items():
        text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        path = HERE / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            drifted.append(name)
    if drifted:
        sys.stderr.write(f"schemas had drifted and were rewritten: {', '.join(drifted)}\n")
    return 1 if drifted else 0


if __name__ == "__main__":
    sys.exit(main())
